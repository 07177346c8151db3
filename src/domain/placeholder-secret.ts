/** A shorter secret is guessed, not known: at 30 tries a minute eight random characters outlast everybody. */
const charactersMin = 8;

/**
 * What examples, charts and tutorials put where a secret belongs: everybody knows these. Compared without case and
 * without what stands between the words.
 */
const wellKnown: ReadonlySet<string> = new Set([
  '352d20ee67be67f6340b4c0605b044b7',
  '12345678',
  '123456789',
  '1234567890',
  'administrator',
  'apisecret',
  'causeway',
  'defaultsecret',
  'examplesecret',
  'httpsecret',
  'mdcbsecret',
  'mysecret',
  'mysupersecret',
  'nodesecret',
  'password',
  'passw0rd',
  'placeholder',
  'secretkey',
  'supersecret',
  'supersecretkey',
  'testsecret',
  'topsecret',
  'tyksecret',
  'tykgatewaysecret',
  'tyksink',
  'verysecret',
  'yoursecret',
  'yoursecrethere',
]);

/** Words that make a placeholder of whatever stands around them. */
const givenAway = /change(me|this|it)|replace(me|this)|insert(your|secret|here)|fixme|todo$/;
/** A template that nobody filled in: `<secret>`, `${SECRET}`, `{{ .secret }}`, `<nil>`. */
const unfilled = /^(<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|%.*%)$/s;

/** Why a secret protects nothing, as the rest of a sentence; undefined: it may. Never repeats the secret. */
export function whyPlaceholder(secret: string): string | undefined {
  if (secret === '') return 'is empty';
  if (unfilled.test(secret.trim())) return 'is a template that was not filled in';
  const plain = secret.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
  if (wellKnown.has(plain) || givenAway.test(plain)) return 'is a placeholder that everybody knows';
  if ([...secret].length < charactersMin) return `is shorter than ${charactersMin} characters`;
  if (new Set(secret).size === 1) return 'is one character again and again';
  return undefined;
}
