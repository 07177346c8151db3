import type { Command } from 'commander';
import { z } from 'zod';
import { exitCodes } from '../errors/catalogue.js';
import { type CliContext, writeJson } from './cli-context.js';
import { addHubApiOptions, HubApi, type HubApiOptions } from './hub-api.js';
import { type Paint, paintFor } from './paint.js';
import { renderTable, widthOf, wrapText } from './text-table.js';

/** What is shown of the hub's answer; the rest comes out with --json. */
const statusShape = z.object({
  hub: z.object({ id: z.string(), version: z.string(), uptime_seconds: z.number() }),
  readiness: z.array(z.object({ name: z.string(), status: z.string(), reason: z.string().nullish() })),
  not_in_effect: z.array(z.string()).optional(),
  catalog: z.object({
    trouble: z.string().nullable(),
    organisations: z.array(
      z.object({ id: z.string(), name: z.string(), hybrid_enabled: z.boolean(), definitions: z.number() }),
    ),
    quarantined: z.array(z.object({ source: z.string(), reason: z.string() })),
    held: z.array(z.unknown()),
  }),
  zones: z.array(
    z.object({
      organisation: z.string(),
      zone: z.string(),
      cursors: z.number(),
      lag_entries: z.number(),
      lag_seconds: z.number(),
    }),
  ),
  shared_zones: z
    .array(
      z.object({
        organisation: z.string(),
        zone: z.string(),
        clusters: z.array(z.object({ hostnames: z.array(z.string()), version: z.string() })),
      }),
    )
    .default([]),
  look_through: z
    .object({
      running: z.boolean(),
      marked: z.array(z.object({ organisation: z.string(), depth: z.string(), reason: z.string() })),
    })
    .default({ running: false, marked: [] }),
  workers: z.array(
    z.object({
      organisation: z.string(),
      zone: z.string(),
      node: z.string(),
      protocol: z.string(),
      version: z.string(),
      tags: z.array(z.string()),
      segmented: z.boolean(),
      last_seen: z.string(),
      last_error: z.string().nullable(),
    }),
  ),
  analytics: z.object({
    kept_in: z.string().optional(),
    stored_records: z.number().nullable(),
    spooled_batches: z.number(),
    spooled_bytes: z.number(),
    trouble: z.string().nullable(),
    quarantine: z.object({ records: z.number(), by_reason: z.record(z.string(), z.number()) }).optional(),
  }),
  settings: z.array(z.object({ ready: z.boolean(), text: z.string() })).optional(),
  stalled_loops: z.array(z.object({ name: z.string(), seconds: z.number() })).optional(),
});
type Status = z.infer<typeof statusShape>;

const labelWidth = 'analytics'.length + 2;

export function describeStatus(command: Command): Command {
  return addHubApiOptions(command)
    .description('show a running hub: readiness, catalog, zones and their lag, workers, analytics')
    .option('--json', "print the hub's answer");
}

export async function showStatus(
  context: CliContext,
  options: HubApiOptions & { readonly json?: boolean },
): Promise<number> {
  const api = await HubApi.from(context, options);
  const answer: unknown = JSON.parse((await api.call('GET', '/status')).toString('utf8'));
  const known = statusShape.safeParse(answer);
  if (options.json === true || !known.success) await writeJson(context.stdout, answer);
  else
    await context.stdout.write(
      renderStatus(known.data, paintFor(context.stdout, context.env), context.stdout.columns),
    );
  return exitCodes.ok;
}

/** `width`: columns of the terminal; undefined: none, and nothing is wrapped. */
export function renderStatus(status: Status, paint: Paint, width?: number): string {
  const { hub, readiness, catalog, zones, workers, analytics } = status;
  const components = readiness.map(({ name, status: state, reason }) =>
    state === 'pass' ? name : paint.red(`${name} (${reason ?? state})`),
  );
  const sections = [
    labelled(
      paint.bold('hub'),
      `${hub.id}, causeway ${hub.version}, up ${duration(hub.uptime_seconds)}`,
      width,
    ) +
      labelled(paint.bold('ready'), components.join(', '), width) +
      labelled(paint.bold('analytics'), analyticsLine(analytics, paint), width),
    ...analyticsQuarantine(analytics, paint, width),
    ...(status.stalled_loops ?? []).map(({ name, seconds }) =>
      labelled(paint.red('stalled'), `${name}: no progress for ${duration(seconds)}`, width),
    ),
    ...(status.not_in_effect ?? []).map((text) => labelled(paint.yellow('not yet'), text, width)),
    // What refuses readiness stands there.
    ...(status.settings ?? [])
      .filter(({ ready }) => ready)
      .map(({ text }) => labelled(paint.yellow('doubtful'), text, width)),
    ...catalogSections(catalog, paint, width),
    ...lookThroughSections(status.look_through, paint, width),
    renderTable(
      [
        { title: 'ORGANISATION' },
        { title: 'NAME' },
        { title: 'HYBRID' },
        { title: 'DEFINITIONS', align: 'right' },
      ],
      catalog.organisations.map(({ id, name, hybrid_enabled: hybrid, definitions }) => [
        id,
        name,
        hybrid ? 'yes' : 'no',
        String(definitions),
      ]),
      width,
    ),
    zones.length === 0 ? 'no worker has ever connected\n' : zoneTable(zones, width),
    ...status.shared_zones.map((zone) => sharedZoneLine(zone, paint, width)),
    workers.length === 0 ? 'no worker is connected\n' : workerTable(workers, paint, width),
  ];
  return sections.join('\n');
}

function analyticsLine(analytics: Status['analytics'], paint: Paint): string {
  const { kept_in: keptIn, stored_records: stored, spooled_batches: waiting, trouble } = analytics;
  const where = keptIn === undefined ? '' : ` in ${keptIn}`;
  const line = `${stored ?? '?'} records stored${where}, ${waiting} batches waiting`;
  return trouble === null ? line : `${line}, ${paint.red(trouble)}`;
}

/** What they are is in the answer of --json. */
function analyticsQuarantine(
  { quarantine }: Status['analytics'],
  paint: Paint,
  width: number | undefined,
): readonly string[] {
  if (quarantine === undefined || quarantine.records === 0) return [];
  const reasons = Object.entries(quarantine.by_reason).map(([reason, count]) => `${count} ${reason}`);
  const text = `${quarantine.records} analytics records: ${reasons.join(', ')}`;
  return [labelled(paint.yellow('set aside'), text, width)];
}

function catalogSections(
  catalog: Status['catalog'],
  paint: Paint,
  width: number | undefined,
): readonly string[] {
  const lines: string[] = [];
  if (catalog.trouble !== null) lines.push(labelled(paint.red('catalog'), catalog.trouble, width));
  for (const { source, reason } of catalog.quarantined) {
    lines.push(labelled(paint.yellow('quarantined'), `${source}: ${reason}`, width));
  }
  if (catalog.held.length > 0) {
    lines.push(
      labelled(paint.yellow('held'), `${catalog.held.length} removals; see causeway catalog status`, width),
    );
  }
  return lines.length === 0 ? [] : [lines.join('')];
}

/** Of what a start makes sure by itself nobody needs to hear. */
function lookThroughSections(
  { running, marked }: Status['look_through'],
  paint: Paint,
  width: number | undefined,
): readonly string[] {
  const lines = marked
    .filter(({ depth }) => depth !== 'removals')
    .map(({ organisation, reason }) => {
      const whose = organisation === '' ? 'all organisations' : organisation;
      const state = running ? 'are being looked through' : 'wait to be looked through';
      return labelled(paint.yellow('keys'), `of ${whose} ${state}: ${reason}`, width);
    });
  return lines.length === 0 ? [] : [lines.join('')];
}

function zoneTable(zones: Status['zones'], width: number | undefined): string {
  return renderTable(
    [
      { title: 'ZONE' },
      { title: 'ORGANISATION' },
      { title: 'CURSORS', align: 'right' },
      { title: 'LAG', align: 'right' },
      { title: 'SECONDS', align: 'right' },
    ],
    zones.map((zone) => [
      zone.zone,
      zone.organisation,
      String(zone.cursors),
      String(zone.lag_entries),
      zone.lag_seconds.toFixed(1),
    ]),
    width,
  );
}

/** A mistake in the configuration of gateways that nobody else can see. */
function sharedZoneLine(
  { zone, clusters }: Status['shared_zones'][number],
  paint: Paint,
  width: number | undefined,
): string {
  const shown = clusters.map(({ hostnames, version }) => {
    const hosts = hostnames.filter((name) => name !== '').join(', ');
    return [hosts || 'unnamed hosts', version].join(' ').trim();
  });
  return labelled(
    paint.yellow('shared'),
    `zone ${zone} looks like ${clusters.length} clusters: ${shown.join('; ')}. ` +
      'Unless they share one Redis, give each a group_id of its own',
    width,
  );
}

function workerTable(workers: Status['workers'], paint: Paint, width: number | undefined): string {
  return renderTable(
    [
      { title: 'WORKER' },
      { title: 'ZONE' },
      { title: 'ORGANISATION' },
      { title: 'WIRE' },
      { title: 'TAGS' },
      { title: 'LAST ERROR' },
    ],
    workers.map((worker) => [
      worker.node,
      worker.zone,
      worker.organisation,
      worker.protocol,
      worker.segmented ? worker.tags.join(',') : 'all',
      worker.last_error === null ? '-' : paint.red(worker.last_error),
    ]),
    width,
  );
}

/** A line, or several, under one word that says what it is about. */
function labelled(label: string, text: string, width: number | undefined): string {
  const indent = Math.max(labelWidth, widthOf(label) + 2);
  return `${label}${' '.repeat(indent - widthOf(label))}${wrapText(text, width, indent)}\n`;
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
