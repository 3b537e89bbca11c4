// What names a deployment in log lines, records and metric labels.

export interface DeploymentIdentity {
  readonly id: string;
  /** Empty if the deployment is in no environment. */
  readonly environment: string;
}
