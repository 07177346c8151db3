import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { renderPages } from '../../scripts/docs/pages.mjs';
import { helpPages } from '../../src/cli/program.js';
import { optionSections, optionTable } from '../../src/config/option-table.js';
import { limits } from '../../src/domain/limits.js';
import { errorCatalogue, exitCodes } from '../../src/errors/catalogue.js';
import { metricTable } from '../../src/ports/metrics.js';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const pages = renderPages({
  optionTable,
  optionSections,
  errorCatalogue,
  exitCodes,
  metricTable,
  limits,
  limitsSource: read('src/domain/limits.ts'),
  helpPages: helpPages(),
});

test.each(pages)('$path says what its table says', ({ path, text }) => {
  expect(read(path), `${path} is out of date: run \`npm run docs\` and commit the result`).toBe(text);
});
