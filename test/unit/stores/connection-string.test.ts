import { describe, expect, it } from 'vitest';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { parseMongoUrl } from '../../../src/stores/mongodb/mongo-url.js';
import { parseConnectionString } from '../../../src/stores/postgres/connection-string.js';

describe('PostgreSQL', () => {
  it('reads keywords as libpq does', () => {
    expect(
      parseConnectionString(
        String.raw`host=db-1 port = 5433 user=hub password='it\'s a \\ secret' dbname=tyk sslmode=verify-full sslrootcert=/ca.pem connect_timeout=3 TimeZone=Asia/Shanghai search_path=tyk`,
      ),
    ).toEqual({
      ...{ hosts: [{ host: 'db-1', port: 5_433 }], user: 'hub', password: String.raw`it's a \ secret` },
      ...{
        database: 'tyk',
        sslMode: 'verify-full',
        sslRootCert: '/ca.pem',
        sslCert: undefined,
        sslKey: undefined,
      },
      ...{
        connectTimeoutMs: 3_000,
        applicationName: 'causeway',
        writable: false,
        settings: { search_path: 'tyk' },
      },
    });
  });

  it('reads URLs, with several hosts and encoded parts', () => {
    expect(
      parseConnectionString(
        'postgresql://hub:p%40ss%2Fword@db-1,[::1]:5433/my%20base?sslmode=disable&target_session_attrs=read-write',
      ),
    ).toMatchObject({
      hosts: [
        { host: 'db-1', port: 5_432 },
        { host: '::1', port: 5_433 },
      ],
      ...{ user: 'hub', password: 'p@ss/word', database: 'my base', sslMode: 'disable', writable: true },
    });
    expect(parseConnectionString('postgres://u:100%@h/d').password).toBe('100%');
    expect(parseConnectionString('postgres:///d?host=/run/postgresql')).toMatchObject({
      ...{ hosts: [{ host: '/run/postgresql', port: 5_432 }], database: 'd', sslMode: 'prefer' },
    });
  });

  it.each([
    ['', 'is empty'],
    ['host', 'has no "="'],
    ["password='open", 'a quote that is not closed'],
    ['host=a port=99999', 'has a port that is none'],
    ['host=a sslmode=sometimes', 'sslmode is one of disable'],
    ['host=a connect_timeout=soon', 'connect_timeout is in seconds'],
    ['mysql://hidden@h/d', 'is a URL of another kind of database'],
    ['postgres://u:hidden@h:x:y/d', 'has a host that cannot be read'],
  ])('refuses %j without repeating it', (text, reason) => {
    let error: unknown;
    try {
      parseConnectionString(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(CausewayError);
    expect(String(error)).toContain('analytics.connection_string');
    expect(String(error)).toContain(reason);
    expect(String(error)).not.toContain('hidden');
  });
});

describe('MongoDB', () => {
  it('takes a URL as it should be', () => {
    expect(parseMongoUrl('mongodb://hub:p%40ss@a:1,b:2/tyk?replicaSet=rs&authSource=admin')).toEqual({
      ...{ url: 'mongodb://hub:p%40ss@a:1,b:2/tyk?replicaSet=rs&authSource=admin', database: 'tyk' },
      ...{ user: 'hub', firstHost: 'a:1', ignored: [] },
    });
    expect(parseMongoUrl('mongodb+srv://cluster.example.com')).toMatchObject({
      ...{ url: 'mongodb+srv://cluster.example.com/', database: 'tyk_analytics', user: undefined },
    });
    expect(parseMongoUrl('mongodb://[::1]:27017/x').firstHost).toBe('[::1]:27017');
  });

  it.each([
    ['mongodb://hub:p@ss@host/tyk', 'p%40ss'],
    ['mongodb://hub:p/w?x@host/tyk', 'p%2Fw%3Fx'],
    ['mongodb://hub:a@b/c@host:1/tyk', 'a%40b%2Fc'],
    ['mongodb://hub:100%@host/tyk', '100%25'],
  ])('encodes the password of %s', (text, password) => {
    const { url, database } = parseMongoUrl(text);
    expect(url).toMatch(/^mongodb:\/\/hub:[^@/?]+@host(:1)?\/tyk$/);
    expect(url).toContain(`:${password}@`);
    expect(database).toBe('tyk');
  });

  it('knows the options of older drivers', () => {
    const read = parseMongoUrl('mongodb://h/tyk?connect=direct&gssapiHostName=x&w=majority');
    expect(read.url).toBe('mongodb://h/tyk?directConnection=true&w=majority');
    expect(read.ignored).toEqual(['gssapiHostName']);
  });

  it('does not take an @ in an option for one behind a password', () => {
    expect(parseMongoUrl('mongodb://h/tyk?tlsCertificateKeyFilePassword=a@b')).toMatchObject({
      ...{ firstHost: 'h', user: undefined, database: 'tyk' },
    });
  });

  it.each(['', 'postgres://hidden@x', 'mongodb://', 'mongodb://hidden@'])('refuses %j', (text) => {
    expect(() => parseMongoUrl(text)).toThrow(/^analytics\.mongo_url/);
    expect(() => parseMongoUrl(text)).not.toThrow(/hidden/);
  });
});
