// The routes that Braintrust's SDK and REST client use, unmodified. Projects are tags of records in the one log store:
// a row is a record of kind `span`.
//   login.ts                what the SDK asks first        post-rows.ts          rows and feedback
//   project-routes.ts       projects                       fetch-rows.ts         reading rows
//   project-tags.ts         tags of projects               attachment-routes.ts  files that rows refer to
//   btql-route.ts           queries                        btql-jobs.ts          queries that clients come back to
//   score-routes.ts         scoring rules                  function-routes.ts    scorers of users
// Invariant: every error has its text where these clients look for it.
// Source: docs/contracts/braintrust.md.
import type { Endpoint } from '../endpoint.ts';
import { attachmentEndpoints, type WithAttachments } from './attachment-routes.ts';
import { braintrustError } from './braintrust-error.ts';
import { btqlJobEndpoints } from './btql-jobs.ts';
import { btqlEndpoints, type WithBtql } from './btql-route.ts';
import { fetchEndpoints, type WithFetch } from './fetch-rows.ts';
import { loginEndpoints, type WithLogin } from './login.ts';
import { rowEndpoints } from './post-rows.ts';
import { projectEndpoints } from './project-routes.ts';
import { functionEndpoints } from './function-routes.ts';
import { scoreEndpoints } from './score-routes.ts';
import type { WithScoring } from './score-json.ts';
import { projectTagEndpoints } from './project-tags.ts';

/** Modules that these routes use. */
export type WithBraintrust = WithLogin & WithAttachments & WithFetch & WithBtql & WithScoring;

const all: readonly Endpoint<WithBraintrust>[] = [
  ...loginEndpoints,
  ...projectEndpoints,
  ...projectTagEndpoints,
  ...rowEndpoints,
  ...fetchEndpoints,
  ...attachmentEndpoints,
  ...btqlEndpoints,
  ...btqlJobEndpoints,
  ...scoreEndpoints,
  ...functionEndpoints,
];

export const braintrustEndpoints: readonly Endpoint<WithBraintrust>[] = all.map((endpoint) => ({
  ...endpoint,
  errors: braintrustError,
}));
