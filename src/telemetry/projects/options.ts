// Settings of projects and attachments (section `projects`).
import { bytes, int, section, wordList, type Settings } from '../../core/settings.ts';

export const projectsOptions = section({
  organizations: wordList({
    default: ['weir'],
    pattern: /^[^\s,"\\/]{1,100}$/,
    like: 'names of 1 to 100 characters, without spaces, quotes and slashes',
    doc: 'Names of organizations that Braintrust’s SDK may log in to (`BRAINTRUST_ORG_NAME`). The first is the default. Each has projects of its own.',
  }),
  max_projects: int({
    default: 1000,
    min: 1,
    max: 100_000,
    doc: 'Maximum number of projects that are listed. Rows of further ones are stored all the same.',
  }),
  max_attachment: bytes({
    default: 16 * 1024 ** 2,
    min: 1024,
    max: 1024 ** 3,
    doc: 'Maximum size of an attachment.',
  }),
  max_attachments: bytes({
    default: 1024 ** 3,
    doc: 'Maximum size of all attachments on disk. The oldest are deleted first, and those older than `logs.retention`. 0: attachments are refused.',
  }),
});
export type ProjectsOptions = Settings<typeof projectsOptions>;
