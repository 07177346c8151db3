// Writes the reference pages from their tables. Run it through `npm run docs`, which builds dist/ first.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { helpPages } from '../dist/cli/program.js';
import { optionSections, optionTable } from '../dist/config/option-table.js';
import { limits } from '../dist/domain/limits.js';
import { errorCatalogue, exitCodes } from '../dist/errors/catalogue.js';
import { metricTable } from '../dist/ports/metrics.js';
import { renderPages } from './docs/pages.mjs';

const limitsSource = readFileSync('src/domain/limits.ts', 'utf8');
const pages = renderPages({
  optionTable,
  optionSections,
  errorCatalogue,
  exitCodes,
  metricTable,
  limits,
  limitsSource,
  helpPages: helpPages(),
});
for (const { path, text } of pages) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(path);
}
