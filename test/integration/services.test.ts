import { MongoClient } from 'mongodb';
import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { startMongo } from '../services/ferretdb.js';
import { startPostgres } from '../services/postgres.js';

const postgres = await startPostgres();
const mongo = await startMongo();
const mongoTls = await startMongo({ tls: true });
afterAll(async () => {
  await Promise.all([postgres?.stop(), mongo?.stop(), mongoTls?.stop()]);
});

describe.skipIf(postgres === undefined)('postgres for tests', () => {
  it('makes databases, and survives kill -9', async () => {
    const database = await postgres!.createDatabase();
    const query = async (text: string, ssl = false) => {
      const client = new Client({
        connectionString: database.url,
        ssl: ssl && { rejectUnauthorized: false },
      });
      client.on('error', () => {});
      await client.connect();
      const { rows } = await client.query(text);
      await client.end();
      return rows;
    };
    await query('create table t (a int)', postgres!.caFile !== undefined);
    if (postgres!.crash && postgres!.restart) {
      await postgres!.crash();
      await expect(query('select 1')).rejects.toThrow();
      await postgres!.restart();
    }
    expect(await query('select * from t')).toEqual([]);
    await database.drop();
  });
});

describe.skipIf(mongo === undefined || mongoTls === undefined)('the MongoDB protocol for tests', () => {
  it('keeps documents, in clear and over TLS, and survives kill -9', async () => {
    for (const service of [mongo!, mongoTls!]) {
      const client = new MongoClient(service.url, service.caFile ? { tlsCAFile: service.caFile } : {});
      await client.db('services').collection('t').insertOne({ a: 1 });
      if (service.crash && service.restart) {
        await service.crash();
        await service.restart();
      }
      expect(await client.db('services').collection('t').countDocuments()).toBe(1);
      await client.db('services').dropDatabase();
      await client.close();
    }
  });
});
