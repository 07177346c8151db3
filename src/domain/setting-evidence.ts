import { looksHashed } from './key-hash.js';
import { sessionPrefix } from './key-names.js';

/** What the operator has set, as far as it can be held against what is there. */
export interface DoubtableSettings {
  readonly hashKeys: boolean;
  readonly hasCertificateSecret: boolean;
  readonly keyDatabase: number;
  /** The option that says where the catalog is. */
  readonly catalogOption: string;
}

/** Where the catalog is when it is in no database. */
export const folderOption = 'causeway.catalog_path';

/** What was found in samples of the stores. */
export interface SettingEvidence {
  readonly sessionNames: readonly string[];
  /** Names of any kind; undefined: the store is nobody's but ours. */
  readonly otherNames?: readonly string[] | undefined;
  readonly databases?: { readonly own: number; readonly others: ReadonlyMap<number, number> } | undefined;
  /** Private keys that are stored encrypted, and how many of them the secret opens. */
  readonly privateKeys: { readonly encrypted: number; readonly opened: number };
  /** Clocks of the stores, by what they are called. */
  readonly clocks: readonly { readonly store: string; readonly aheadMs: number }[];
  /** Undefined: not read yet. */
  readonly catalog?:
    | { readonly organisations: number; readonly hybridEnabled: number; readonly ownersKnown: number }
    | undefined;
  /** Sessions whose owner was looked up in the catalog. */
  readonly owners: number;
  /** Notifications of the control plane by their signature; only where signatures are looked at. */
  readonly notifications?: { readonly refused: number; readonly accepted: number } | undefined;
}

/** A setting that does not fit what was found. */
export interface SettingDoubt {
  readonly option: string;
  /** The hub must not take workers with it; otherwise it is a warning. */
  readonly refuses: boolean;
  /** One line without secrets: the option, what was found, what to set. */
  readonly text: string;
}

/** A person may have it so on purpose, and NTP keeps clocks within a fraction of it. */
const clockAheadMsMax = 5_000;
/** So few may be left over from somebody who is gone. */
const ownersMin = 3;
const refusedMin = 3;
const renamedMin = 3;

/** 32 hex digits that many use as a key as they are; of hashes, one in 64 looks so. */
const bareUuid = /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/;

/** Beginnings of names that gateways and dashboards write. */
const gatewayName =
  /^(?:apikey-|orgkey[.-]|cert-|oauth-|quota-|rate-limit-|analytics-|tyk[.-]|apihealth|host-checker|node-|dashboard|session|org-|monitor|trace|cache-|causeway)/i;

/**
 * Holds settings against evidence. An option that was forgotten, or copied from another place, is believed for years:
 * with `hash_keys` off beside hashed names revocations are spelt as nobody reads them. What can only be a mistake
 * refuses readiness; what may be meant so is a warning.
 */
export function doubtsOf(settings: DoubtableSettings, evidence: SettingEvidence): readonly SettingDoubt[] {
  return [
    ...doubtOfHashing(settings, evidence),
    ...doubtOfPrivateKeys(settings, evidence),
    ...doubtOfNodeSecret(evidence),
    ...doubtOfPlace(settings, evidence),
    ...doubtOfCatalog(settings, evidence),
    ...doubtOfClocks(evidence),
  ];
}

function doubtOfHashing(
  { hashKeys }: DoubtableSettings,
  { sessionNames, otherNames }: SettingEvidence,
): SettingDoubt[] {
  const looked = sessionNames.length;
  const ids = sessionNames.map((name) => name.slice(sessionPrefix.length));
  const contrary = ids.filter((id) =>
    hashKeys ? !looksHashed(id) : looksHashed(id) && !bareUuid.test(id),
  ).length;
  if (contrary === 0) return [];
  const found = hashKeys
    ? `it is on, and ${contrary} of ${looked} sessions stand under their raw key`
    : `it is off, and ${contrary} of ${looked} sessions stand under the hash of their key`;
  // Into a store of our own a person puts single keys by hand, named as they like.
  const isOurs = otherNames === undefined;
  const refuses = contrary * 2 > looked && (!isOurs || contrary >= ownersMin);
  const remedy = refuses
    ? `set it to ${!hashKeys}, as the gateways of the control plane have it`
    : 'if it was changed at the control plane, the keys from before have to be made anew';
  return [doubt('hash_keys', refuses, `${found}; ${remedy}`)];
}

function doubtOfPrivateKeys(
  { hasCertificateSecret }: DoubtableSettings,
  { privateKeys: { encrypted, opened } }: SettingEvidence,
): SettingDoubt[] {
  if (encrypted === opened) return [];
  const found = hasCertificateSecret
    ? `it opens ${opened} of ${encrypted} private keys that are stored encrypted`
    : `it is not set, and ${encrypted} private keys are stored encrypted`;
  // Without one, everything but those certificates works.
  const refuses = hasCertificateSecret && opened === 0;
  return [
    doubt(
      'security.private_certificate_encoding_secret',
      refuses,
      `${found}; set the value that the control plane encrypts with, or workers call upstreams without these certificates`,
    ),
  ];
}

function doubtOfNodeSecret({ notifications }: SettingEvidence): SettingDoubt[] {
  if (notifications === undefined || notifications.refused < refusedMin || notifications.accepted > 0)
    return [];
  return [
    doubt(
      'causeway.node_secret',
      true,
      `none of ${notifications.refused} notifications of the control plane is signed with it, so none is heeded; set the node_secret of its gateways, or leave it empty`,
    ),
  ];
}

function doubtOfPlace(
  { keyDatabase }: DoubtableSettings,
  { sessionNames, otherNames, databases }: SettingEvidence,
): SettingDoubt[] {
  if (sessionNames.length > 0 || otherNames === undefined) return [];
  if (otherNames.some((name) => gatewayName.test(name))) return [];
  const renamed = otherNames.filter((name) => name.includes(sessionPrefix));
  const [inside] = renamed;
  if (inside !== undefined) {
    const prefix = inside.slice(0, inside.indexOf(sessionPrefix));
    return [
      doubt(
        'storage',
        // Somebody else may have a key or two that happen to be spelt so.
        renamed.length >= renamedMin,
        `names of sessions begin with ${JSON.stringify(prefix.slice(0, 64))} there, and gateways read ${sessionPrefix} alone; name the store that they use, not one that renames keys`,
      ),
    ];
  }
  const elsewhere = [...(databases?.others ?? [])].map(
    ([number, keys]) => `database ${number} holds ${keys}`,
  );
  if (otherNames.length === 0 && elsewhere.length === 0) return [];
  const own =
    otherNames.length === 0
      ? `database ${keyDatabase} is empty`
      : `database ${keyDatabase} holds keys, and none that was looked at is of a gateway`;
  const found = elsewhere.length === 0 ? own : `${own}, while ${elsewhere.slice(0, 4).join(', ')}`;
  return [doubt('storage.database', false, `${found}; is it the one that the control plane uses?`)];
}

function doubtOfCatalog(
  { catalogOption }: DoubtableSettings,
  { catalog, owners }: SettingEvidence,
): SettingDoubt[] {
  if (catalog === undefined) return [];
  if (catalog.organisations === 0) {
    // A folder of our own begins empty.
    if (owners === 0 && catalogOption === folderOption) return [];
    const found = `there is no organisation in the catalog${owners === 0 ? '' : ', and the key store has sessions'}`;
    return [doubt(catalogOption, owners > 0, `${found}; name the database that the control plane uses`)];
  }
  const doubts: SettingDoubt[] = [];
  if (catalog.hybridEnabled === 0) {
    doubts.push(
      doubt(
        'hybrid_enabled',
        false,
        `none of ${catalog.organisations} organisations is hybrid-enabled, so no worker can log in; set hybrid_enabled in the organisation's record`,
      ),
    );
  }
  if (owners >= ownersMin && catalog.ownersKnown === 0) {
    const found = `none of ${owners} sessions that were looked at is of an organisation in the catalog`;
    doubts.push(
      doubt(catalogOption, false, `${found}; do catalog and key store belong to one control plane?`),
    );
  }
  return doubts;
}

function doubtOfClocks({ clocks }: SettingEvidence): SettingDoubt[] {
  return clocks
    .filter(({ aheadMs }) => Math.abs(aheadMs) > clockAheadMsMax)
    .map(({ store, aheadMs }) => {
      const seconds = Math.round(Math.abs(aheadMs) / 1_000);
      const found = `the clock of ${store} is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the hub's`;
      return doubt(
        'clock',
        false,
        `${found}; keys expire by the one and are told by the other: synchronise both`,
      );
    });
}

function doubt(option: string, refuses: boolean, text: string): SettingDoubt {
  return { option, refuses, text: `${option}: ${text}` };
}
