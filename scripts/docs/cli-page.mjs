import { generatedFrom, page } from './markdown.mjs';

const introduction = `# Command line

\`npx causeway <command>\`, or \`node dist/main.js <command>\`. Data goes to standard output, everything else to
standard error. \`--json\` gives output for programs: one document, or one object per line where output does not
end. Expected failures are one line, what to do about them, and an [exit code](errors.md#exit-codes); the whole
story comes with \`CAUSEWAY_DEBUG=1\`. Colours appear on a terminal only; \`NO_COLOR\` switches them off.

\`status\`, \`keys\` and \`catalog\` talk to the HTTP port of a running hub. They find it, strongest first, by
\`--url\` and \`--secret\`, by \`CAUSEWAY_URL\` and \`CAUSEWAY_SECRET\`, or by the \`credentials.json\` that every hub
keeps in its data folder. A hub answers them when it was started with \`--embedded\`, or with
\`security.enable_http_secure_endpoints\` on and a secret that is no placeholder.`;

export function renderCliPage({ helpPages }) {
  const sections = helpPages.map(({ command, help }) => [
    `## ${command}`,
    `\`\`\`text\n${help.trimEnd()}\n\`\`\``,
  ]);
  return page(generatedFrom('the commands in src/cli'), introduction, sections);
}
