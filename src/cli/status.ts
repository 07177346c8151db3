import type { Command } from 'commander';
import { z } from 'zod';
import { exitCodes } from '../errors/catalogue.js';
import { type CliContext, writeJson } from './cli-context.js';
import { addHubApiOptions, HubApi, type HubApiOptions } from './hub-api.js';
import { type Paint, paintFor } from './paint.js';
import { renderTable } from './text-table.js';

/** What is shown of the hub's answer; the rest comes out with --json. */
const statusShape = z.object({
  hub: z.object({ id: z.string(), version: z.string(), uptime_seconds: z.number() }),
  readiness: z.array(z.object({ name: z.string(), status: z.string() })),
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
    stored_records: z.number().nullable(),
    spooled_batches: z.number(),
    spooled_bytes: z.number(),
    trouble: z.string().nullable(),
  }),
});
type Status = z.infer<typeof statusShape>;

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
  else await context.stdout.write(renderStatus(known.data, paintFor(context.stdout, context.env)));
  return exitCodes.ok;
}

export function renderStatus(status: Status, paint: Paint): string {
  const { hub, readiness, catalog, zones, workers, analytics } = status;
  const components = readiness.map(({ name, status: state }) =>
    state === 'pass' ? name : paint.red(`${name} (${state})`),
  );
  const sections = [
    `${paint.bold('hub')}        ${hub.id}, causeway ${hub.version}, up ${duration(hub.uptime_seconds)}\n` +
      `${paint.bold('ready')}      ${components.join(', ')}\n` +
      `${paint.bold('analytics')}  ${analyticsLine(analytics, paint)}\n`,
    ...catalogSections(catalog, paint),
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
    ),
    zones.length === 0 ? 'no worker has ever connected\n' : zoneTable(zones),
    ...status.shared_zones.map((zone) => sharedZoneLine(zone, paint)),
    workers.length === 0 ? 'no worker is connected\n' : workerTable(workers, paint),
  ];
  return sections.join('\n');
}

function analyticsLine(analytics: Status['analytics'], paint: Paint): string {
  const { stored_records: stored, spooled_batches: waiting, trouble } = analytics;
  const line = `${stored ?? '?'} records stored, ${waiting} batches waiting`;
  return trouble === null ? line : `${line}, ${paint.red(trouble)}`;
}

function catalogSections(catalog: Status['catalog'], paint: Paint): readonly string[] {
  const lines: string[] = [];
  if (catalog.trouble !== null) lines.push(`${paint.red('catalog')}  ${catalog.trouble}\n`);
  for (const { source, reason } of catalog.quarantined) {
    lines.push(`${paint.yellow('quarantined')}  ${source}: ${reason}\n`);
  }
  if (catalog.held.length > 0) {
    lines.push(`${paint.yellow('held')}  ${catalog.held.length} removals; see causeway catalog status\n`);
  }
  return lines.length === 0 ? [] : [lines.join('')];
}

function zoneTable(zones: Status['zones']): string {
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
  );
}

/** A mistake in the configuration of gateways that nobody else can see. */
function sharedZoneLine({ zone, clusters }: Status['shared_zones'][number], paint: Paint): string {
  const shown = clusters.map(({ hostnames, version }) => {
    const hosts = hostnames.filter((name) => name !== '').join(', ');
    return [hosts || 'unnamed hosts', version].join(' ').trim();
  });
  return `${paint.yellow('shared')}  zone ${zone} looks like ${clusters.length} clusters: ${shown.join('; ')}. Unless they share one Redis, give each a group_id of its own\n`;
}

function workerTable(workers: Status['workers'], paint: Paint): string {
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
  );
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
