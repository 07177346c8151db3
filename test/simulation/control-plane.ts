import {
  type Definition,
  type DefinitionKind,
  definitionKey,
  definitionKinds,
  type Visibility,
} from '../../src/domain/definition.js';
import { hashDefinition } from '../../src/domain/definition-hash.js';
import { type OrganisationId, organisationId } from '../../src/domain/identifiers.js';
import type { KeyEvent } from '../../src/domain/key-event.js';
import type { World } from './world.js';

export const organisations = ['acme', 'bolt', 'core'].map(organisationId);
export const segmentTags = ['eu', 'us', 'ap'] as const;

const idsPerKind = { api: 6, policy: 3, 'client-idp': 2 } as const satisfies Record<DefinitionKind, number>;

export function userOf(organisation: OrganisationId, number: number): string {
  return `${organisation}-user-${number}`;
}

/** The operator's side: a catalog that is edited, and things that happen to keys. */
export class ControlPlane {
  readonly #world: World;
  readonly #inForce = new Map<string, Definition>();
  #version = 0;
  #event = 0;

  constructor(world: World) {
    this.#world = world;
    world.catalog.organisations = organisations.map((id) => ({ id, name: id, hybridEnabled: true }));
    world.catalog.users = organisations.flatMap((organisation) =>
      [1, 2].map((number) => ({
        id: userOf(organisation, number),
        organisation,
        emailAddress: '',
        accessKey: `key of ${userOf(organisation, number)}`,
        active: true,
        groups: [],
      })),
    );
  }

  definitions(organisation: OrganisationId): readonly Definition[] {
    return [...this.#inForce.values()].filter((one) => one.organisation === organisation);
  }

  /** A first catalog. */
  fill(): void {
    for (const organisation of organisations) {
      for (const kind of definitionKinds) {
        for (let number = 1; number <= idsPerKind[kind]; number += 1) {
          if (this.#world.random.chance(0.6))
            this.#put(this.#newVersion(organisation, kind, `${kind}-${number}`));
        }
      }
    }
  }

  /** One edit: a new version, a removal, other tags for the same bytes, or back to an earlier version. */
  edit(): void {
    const { random, versions } = this.#world;
    const organisation = random.pick(organisations);
    const kind = random.pick(definitionKinds);
    const id = `${kind}-${random.between(1, idsPerKind[kind])}`;
    const current = this.#inForce.get(nameOf(organisation, kind, id));
    switch (random.weighted({ put: 5, remove: 2, retag: 3, back: 3 })) {
      case 'put':
        this.#put(this.#newVersion(organisation, kind, id));
        break;
      case 'remove':
        if (current !== undefined) this.#remove([current]);
        break;
      case 'retag':
        if (current !== undefined) this.#put({ ...current, visibility: this.#visibility(organisation) });
        break;
      case 'back': {
        const earlier = versions.of({ organisation, kind, id });
        if (earlier.length > 0) this.#put(random.pick(earlier));
        break;
      }
    }
  }

  /** What an accident looks like. */
  removeMany(): void {
    const organisation = this.#world.random.pick(organisations);
    this.#remove(this.#world.random.some(this.definitions(organisation), 0.9));
  }

  /** Switches a user off, or on again. */
  toggleUser(): void {
    const { catalog, random } = this.#world;
    const off = catalog.users.filter(({ active }) => !active);
    const chosen = random.pick(off.length > 0 && random.chance(0.7) ? off : catalog.users);
    this.#trace(`user ${chosen.id} ${chosen.active ? 'off' : 'on'}`);
    catalog.users = catalog.users.map((user) => (user === chosen ? { ...user, active: !user.active } : user));
    catalog.announce();
  }

  switchAllUsersOn(): void {
    const { catalog } = this.#world;
    catalog.users = catalog.users.map((user) => ({ ...user, active: true }));
    catalog.announce();
  }

  /** Something that happened in the key space; no two are alike. */
  keyEvent(): KeyEvent {
    this.#event += 1;
    const key = `key-${this.#event}`;
    switch (
      this.#world.random.weighted({ changed: 4, removed: 3, once: 3, token: 1, certificate: 1, cache: 1 })
    ) {
      case 'changed':
        return { kind: 'key-changed', key, hashed: true };
      case 'removed':
        return { kind: 'key-removed', key, hashed: true };
      case 'once':
        return this.#world.random.chance(0.7)
          ? { kind: 'quota-reset', key, hashed: true }
          : { kind: 'user-key-reset', oldKey: key, newKey: `${key}-new` };
      case 'token':
        return { kind: 'oauth-token-revoked', token: key, hashed: false, api: 'api-1', scope: 'both' };
      case 'certificate':
        return { kind: 'certificate-removed', certificate: key };
      case 'cache':
        return { kind: 'api-cache-flushed', api: key };
    }
  }

  #put(definition: Definition): void {
    const { organisation, kind, id, visibility } = definition;
    this.#trace(
      `put ${organisation} ${kind}/${id} ${definition.hash.slice(0, 6)} ${JSON.stringify(visibility)}`,
    );
    this.#world.versions.note(definition);
    this.#inForce.set(nameOf(organisation, kind, id), definition);
    this.#world.catalog.put(definition);
  }

  #remove(definitions: readonly Definition[]): void {
    const named = definitions.map(({ kind, id }) => `${kind}/${id}`).join(' ');
    this.#trace(`remove ${definitions[0]?.organisation} ${named}`);
    for (const { organisation, kind, id } of definitions)
      this.#inForce.delete(nameOf(organisation, kind, id));
    this.#world.catalog.remove(...definitions);
  }

  #newVersion(organisation: OrganisationId, kind: DefinitionKind, id: string): Definition {
    const { random } = this.#world;
    this.#version += 1;
    const filler = 'x'.repeat(random.chance(0.2) ? random.between(300, 900) : 0);
    const body = Buffer.from(JSON.stringify({ org: organisation, name: id, version: this.#version, filler }));
    const oas =
      kind === 'api' && random.chance(0.3) ? Buffer.from(`{"openapi":"3.${this.#version}"}`) : undefined;
    return {
      kind,
      id,
      organisation,
      name: id,
      hash: hashDefinition('plain', body, oas),
      visibility: this.#visibility(organisation),
      form: 'plain',
      body,
      oas,
      source: `${organisation}/${kind}-${id}.json`,
    };
  }

  #visibility(organisation: OrganisationId): Visibility {
    const { random } = this.#world;
    return {
      tags: random.some(segmentTags, 0.5),
      tagsDisabled: random.chance(0.1),
      ownerUsers: random.chance(0.2) ? [userOf(organisation, random.between(1, 2))] : [],
      ownerGroups: [],
    };
  }

  #trace(line: string): void {
    this.#world.trace(`catalog: ${line}`);
  }
}

function nameOf(organisation: OrganisationId, kind: DefinitionKind, id: string): string {
  return `${organisation} ${definitionKey(kind, id)}`;
}
