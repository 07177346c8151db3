import { anchor, generatedFrom, page } from './markdown.mjs';

const introduction = `# Configuration

\`causeway start -c tyk_sink.conf\` reads a JSON file that is compatible with \`tyk_sink.conf\`; the environment
names are the same too. A complete file with every default is
[tyk_sink.example.json](../tyk_sink.example.json).

- **Precedence:** command line, then environment, then file, then default. Within one of them a new name wins
  over its old one.
- **In the file** values have their JSON type: \`6379\`, not \`"6379"\`. \`null\` is the same as leaving the option
  out. Keys may differ in case.
- **In the environment** lists are written \`a,b\` and maps \`host:port,host:port\`. An empty variable empties a
  text, a list or a map; for a number, a yes-or-no or a choice it is the same as leaving it out.
- **All problems are reported at once**, each with the option, what was found and what would be right; the
  process then ends with exit code 3. A file that cannot be read or is not JSON ends it in the same way.
- **Unknown names** are ignored with a warning that shows the nearest known one.
- **Secrets** (marked below) never appear in a log, in a problem or in \`/config\`.`;

export function renderConfigurationPage({ optionTable, optionSections }) {
  const bySection = new Map(optionSections.map((section) => [section, []]));
  for (const option of optionTable) {
    const section = optionSections.find(({ prefix }) => option.path.startsWith(prefix));
    bySection.get(section).push(option);
  }
  // General options come first on the page, though any prefix fits them.
  const ordered = [...bySection].sort(([left], [right]) =>
    left.prefix === '' ? -1 : right.prefix === '' ? 1 : 0,
  );
  const contents = ordered.map(([{ title }]) => `- [${title}](#${anchor(title)})`).join('\n');
  const sections = ordered.map(([{ title }, options]) => [`## ${title}`, options.map(renderOption)]);
  return page(generatedFrom('src/config/option-table.ts'), introduction, contents, sections);
}

function renderOption(option) {
  const facts = [describeType(option)];
  if (option.deprecatedAliasOf === undefined) facts.push(`default ${describeDefault(option)}`);
  else facts.push('old name');
  if (option.secret) facts.push('secret');
  const [first, ...others] = option.env;
  const environment = first === undefined ? 'no environment name' : `\`${first}\``;
  const also = others.length === 0 ? [] : [`Also read: ${others.map((name) => `\`${name}\``).join(', ')}.`];
  const effect =
    option.withoutEffect !== undefined
      ? [`*Accepted, without effect: ${option.withoutEffect}*`]
      : option.notYet === undefined
        ? []
        : [`*Accepted, no effect yet: ${option.notYet}*`];
  const zero = option.zeroMeansDefault ? ['0 means the default.'] : [];
  return [
    `### \`${option.path}\``,
    `${environment} · ${facts.join(' · ')}`,
    [option.help, ...zero, ...also, ...effect].join(' '),
  ];
}

function describeType(option) {
  switch (option.type) {
    case 'bool':
      return 'true or false';
    case 'string':
      return 'text';
    case 'enum':
      return option.choices.map((choice) => `\`${choice}\``).join(', ');
    case 'string[]':
      return option.items === 'host:port' ? 'list of host:port' : 'list of texts';
    case 'map':
      return 'map from host to port';
    default:
      return describeNumber(option);
  }
}

function describeNumber({ meanings, unit, min, max }) {
  if (meanings !== undefined) {
    return Object.entries(meanings)
      .map(([number, meaning]) => `\`${number}\` (${meaning})`)
      .join(', ');
  }
  const what = unit ?? 'number';
  return max < Number.MAX_SAFE_INTEGER ? `${what}, ${min} to ${max}` : `${what}, ${min} or more`;
}

function describeDefault(option) {
  if (option.default === '') return 'empty';
  const isEmpty = typeof option.default === 'object' && Object.keys(option.default).length === 0;
  return isEmpty ? 'empty' : `\`${option.default}\``;
}
