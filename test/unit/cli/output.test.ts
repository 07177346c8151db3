import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { expect, test } from 'vitest';
import type { TextOutput } from '../../../src/cli/cli-context.js';
import { paintFor } from '../../../src/cli/paint.js';
import { Progress } from '../../../src/cli/progress.js';
import { type BannerFacts, printStartBanner } from '../../../src/cli/start-banner.js';
import { renderStatus } from '../../../src/cli/status.js';
import { renderTable } from '../../../src/cli/text-table.js';
import { eventJson, eventLine, shownKey } from '../../../src/cli/worker-event-line.js';

function output(isTerminal: boolean): TextOutput & { text: string } {
  return {
    text: '',
    isTerminal,
    columns: isTerminal ? 80 : undefined,
    async write(text: string) {
      this.text += text;
    },
  };
}

const plain = paintFor(output(false), {});

test('columns are as wide as their widest cell, whatever its colour', () => {
  const colours = paintFor(output(true), {});
  const table = renderTable(
    [{ title: 'A' }, { title: 'NUMBER', align: 'right' }, { title: 'LAST' }],
    [
      [colours.red('long name'), '1', 'x'],
      ['b', '22', ''],
    ],
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a colour code begins with one.
  const bare = table.replaceAll(/\u001b\[\d+m/g, '');
  expect(bare).toBe('A          NUMBER  LAST\nlong name       1  x\nb              22\n');
});

test('colours only on a terminal, and not when NO_COLOR asks for none', () => {
  expect(paintFor(output(true), {}).red('x')).toBe('\u001b[31mx\u001b[39m');
  expect(paintFor(output(true), { NO_COLOR: '1' }).red('x')).toBe('x');
  expect(plain.red('x')).toBe('x');
});

test('tables give way to a narrow terminal, widest column first, and lose nothing', () => {
  const colours = paintFor(output(true), {});
  const id = '5e9d9544a1dcd60001d0ed20';
  const rows = [[id, colours.red('upstream refused the connection, twice'), '12']];
  const columns = [{ title: 'ORGANISATION' }, { title: 'ERROR' }, { title: 'LAG', align: 'right' as const }];
  for (const width of [40, 60, 80]) {
    const table = stripVTControlCharacters(renderTable(columns, rows, width));
    for (const line of table.split('\n')) expect(stringWidth(line), line).toBeLessThanOrEqual(width);
    expect(table.replaceAll(/\s/g, '')).toContain(width === 80 ? id : '5e9d9544a1');
  }
  const narrow = stripVTControlCharacters(renderTable([{ title: 'ID' }], [[id]], 10));
  expect(narrow.replaceAll('\n', '')).toBe(`ID${id}`);
  expect(narrow).toBe(`ID\n5e9d9544a1\ndcd60001d0\ned20\n`);
});

test('progress shows on a terminal and leaves nothing behind; a pipe stays quiet', () => {
  const written: string[] = [];
  const terminal = Object.assign(
    new Writable({
      write: (chunk, _encoding, done) => {
        written.push(String(chunk));
        done();
      },
    }),
    { isTTY: true, columns: 80, cursorTo: () => true, clearLine: () => true, moveCursor: () => true },
  ) as unknown as NodeJS.WriteStream;
  const progress = new Progress({ ...output(true), terminal });
  progress.show('10 keys');
  progress.show('9 keys');
  progress.done();
  expect(written.join('')).toContain('10 keys');
  const pipe = output(false);
  const quiet = new Progress(pipe);
  quiet.show('10 keys');
  quiet.done();
  expect(pipe.text).toBe('');
});

const facts: BannerFacts = {
  listen: { host: '0.0.0.0', port: 9091, tls: false },
  http: { host: '::', port: 8181, tls: true },
  organisation: 'org-1',
  apiKey: 'S3CRET-KEY',
  credentialsPath: 'var/credentials.json',
  catalogPath: 'var/control-plane',
  firstStart: true,
  version: '1.2.3',
  dataOption: undefined,
};

test('the banner names addresses, organisation, key and three commands, the key only once', async () => {
  const first = output(true);
  await printStartBanner(first, plain, facts);
  for (const text of [
    '127.0.0.1:9091',
    'https://127.0.0.1:8181',
    'org-1',
    'S3CRET-KEY',
    'var/credentials.json',
  ]) {
    expect(first.text).toContain(text);
  }
  expect(first.text.match(/npx causeway /g)).toHaveLength(3);
  const pipe = output(false);
  await printStartBanner(pipe, plain, facts);
  expect(pipe.text).toContain('org-1');
  expect(pipe.text).not.toContain('S3CRET-KEY');
  const later = output(true);
  await printStartBanner(later, plain, { ...facts, firstStart: false, dataOption: "it's here" });
  expect(later.text).not.toContain('S3CRET-KEY');
  expect(later.text).toContain('in var/credentials.json');
  expect(later.text).toContain(`npx causeway status --data 'it'\\''s here'`);
});

test('a raw key is not shown in full, its hash is', () => {
  expect(shownKey('a-long-raw-key', false, false)).toBe('****-key');
  expect(shownKey('short', false, false)).toBe('****');
  expect(shownKey('a-long-raw-key', false, true)).toBe('a-long-raw-key');
  expect(shownKey('1f3d5b7a', true, false)).toBe('1f3d5b7a');
});

const keyEvent = {
  type: 'key',
  event: 'key-changed',
  key: 'a-long-raw-key',
  hashed: false,
  outcome: 'stored',
  sequence: 7,
  atMs: 1_000,
} as const;

test('events as JSON have time, latency and names with underscores', () => {
  expect(eventJson(keyEvent, 1_012, false)).toEqual({
    time: '1970-01-01T00:00:01.012Z',
    type: 'key',
    event: 'key-changed',
    key: '****-key',
    hashed: false,
    outcome: 'stored',
    sequence: 7,
    at_ms: 1_000,
    latency_ms: 12,
  });
  expect(
    eventJson({ type: 'disconnected', code: undefined, message: 'm', retryInMs: 5 }, 0, false),
  ).toMatchObject({ retry_in_ms: 5 });
});

test('events for people say what, which, where and how fast', () => {
  expect(eventLine(keyEvent, 1_012, plain, false)).toBe(
    '00:00:01.012  key        key-changed ****-key  #7  stored  12 ms',
  );
  expect(eventLine({ type: 'acknowledged', sequence: 7 }, 0, plain, false)).toBeUndefined();
});

test('status shows what is wrong', () => {
  const text = renderStatus(
    {
      hub: { id: 'hub-1', version: '1', uptime_seconds: 7_200 },
      readiness: [
        { name: 'key store', status: 'fail' },
        { name: 'rpc', status: 'pass' },
      ],
      catalog: {
        trouble: null,
        organisations: [{ id: 'o', name: 'Org', hybrid_enabled: true, definitions: 3 }],
        quarantined: [{ source: 'apis/bad.json', reason: 'not JSON' }],
        held: [{}],
      },
      zones: [{ organisation: 'o', zone: 'eu', cursors: 2, lag_entries: 5, lag_seconds: 1.25 }],
      shared_zones: [
        {
          organisation: 'o',
          zone: 'us',
          clusters: [
            { hostnames: ['east-1'], version: 'v5.8.0' },
            { hostnames: [''], version: '' },
          ],
        },
      ],
      look_through: {
        running: false,
        marked: [
          { organisation: '', depth: 'changes', reason: 'a wire was cut' },
          { organisation: 'o', depth: 'removals', reason: 'the start' },
        ],
      },
      workers: [
        {
          organisation: 'o',
          zone: 'eu',
          node: 'n-1',
          protocol: 'grpc',
          version: '1',
          tags: ['eu'],
          segmented: true,
          last_seen: '',
          last_error: 'disk full',
        },
      ],
      analytics: { stored_records: 10, spooled_batches: 1, spooled_bytes: 2, trouble: 'away' },
    },
    plain,
  );
  for (const part of [
    'up 2 h',
    'key store (fail)',
    'apis/bad.json: not JSON',
    '1 removals',
    'of all organisations wait to be looked through: a wire was cut',
    'zone us looks like 2 clusters: east-1 v5.8.0; unnamed hosts.',
    'disk full',
    'away',
  ]) {
    expect(text).toContain(part);
  }
});
