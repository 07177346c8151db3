import { generatedFrom, page, table } from './markdown.mjs';

const introduction = `# Errors

Every failure an operator or a worker can be told about has a code. Logs carry it in the field \`code\`; the
command line prints it and ends with the exit code beside it.`;

const legend = `**Kind** decides how a transport answers: \`invalid\` (can never work as sent), \`unauthenticated\`,
\`forbidden\`, \`not-found\`, \`conflict\` (somebody else holds it, or it has to be confirmed first), \`limit\` (a
bound was reached, see [limits](limits.md)), \`unavailable\` (a store or a peer is away), \`internal\` (a defect).
**Retry** is advice to the caller. **Log** is the level it is logged at.`;

export function renderErrorsPage({ errorCatalogue, exitCodes }) {
  const entries = Object.entries(errorCatalogue);
  const errors = table(
    ['code', 'kind', 'retry', 'log', 'exit', 'meaning'],
    entries.map(([code, entry]) => [
      `\`${code}\``,
      entry.kind,
      entry.retry,
      entry.log,
      entry.exitCode,
      entry.text,
    ]),
  );
  const exits = table(
    ['exit code', 'name', 'errors that end with it'],
    Object.entries(exitCodes).map(([name, exitCode]) => {
      const codes = entries.filter(([, entry]) => entry.exitCode === exitCode).map(([code]) => `\`${code}\``);
      return [exitCode, words(name), codes.join(', ') || '-'];
    }),
  );
  return page(generatedFrom('src/errors/catalogue.ts'), introduction, errors, legend, '## Exit codes', exits);
}

/** `portBusy` as `port busy`. */
function words(name) {
  return name.replaceAll(/([A-Z])/g, ' $1').toLowerCase();
}
