import { Effect, Option } from "effect"
import { SqlClient } from "effect/sql"
import type { Command, State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { type Store, storeConformance } from "../conformance/store.ts"
import { stores } from "../support/postgres.ts"

const nonsense = '{"_tag":"Explode"}'
const newer = '{"_tag":"Pausing","operation":"pause-1","deadline":1}'

storeConformance<Store>("the store in memory", MemoryStore.layer, {
  command: (id, key) => {
    const command: Command = JSON.parse(nonsense)
    return Effect.flatMap(Lifecycles, (lifecycles) => lifecycles.post(id, key, command))
  },
  state: Effect.fnUntraced(function* (id) {
    const lifecycles = yield* Lifecycles
    const { generation, state } = Option.getOrThrow(yield* lifecycles.load(id))
    const garbled: State = JSON.parse(JSON.stringify({ ...state, deadline: "soon" }))
    yield* lifecycles.commit(id, { generation, state: garbled, transition: null, handled: [] })
  }),
  newer: Effect.fnUntraced(function* (id) {
    const lifecycles = yield* Lifecycles
    const { generation } = Option.getOrThrow(yield* lifecycles.load(id))
    const state: State = JSON.parse(newer)
    yield* lifecycles.commit(id, { generation, state, transition: null, handled: [] })
  })
})

storeConformance<SqlClient.SqlClient>("the store in PostgreSQL", stores, {
  command: (id, key) =>
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`
        INSERT INTO mailbox (instance, key, command, posted) VALUES (${id}, ${key}, ${nonsense}::jsonb, now())`
    ),
  state: (id) =>
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`UPDATE lifecycles SET state = state || '{"deadline":"soon","fault":"none"}' WHERE instance = ${id}`
    ),
  newer: (id) =>
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`
        UPDATE lifecycles SET tag = 'Pausing', state = ${newer}::jsonb, deadline = 'epoch' WHERE instance = ${id}`
    )
})
