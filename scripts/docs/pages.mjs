// Every generated file: its path and the function that renders it. The tables are handed in, so that the
// drift test can pass those of src/ and needs no build. To add a page, add a line here, and what it needs
// to the tables in scripts/docs.mjs and test/unit/docs-drift.test.ts.
import { renderCliPage } from './cli-page.mjs';
import { renderConfigurationPage } from './configuration-page.mjs';
import { renderErrorsPage } from './errors-page.mjs';
import { renderExampleFile } from './example-file.mjs';
import { renderLimitsPage } from './limits-page.mjs';
import { renderMetricsPage } from './metrics-page.mjs';

const generators = [
  ['docs/cli.md', renderCliPage],
  ['docs/configuration.md', renderConfigurationPage],
  ['docs/errors.md', renderErrorsPage],
  ['docs/metrics.md', renderMetricsPage],
  ['docs/limits.md', renderLimitsPage],
  ['tyk_sink.example.json', renderExampleFile],
];

export function renderPages(tables) {
  return generators.map(([path, render]) => ({ path, text: render(tables) }));
}
