/** `coffer instance rebuild`: an administrator has the server of an instance made anew over its data. */
import { Effect, Schema } from "effect"
import { Command } from "effect/cli"
import { asking } from "./client.ts"
import { type Connection, connectionFlags } from "./connection.ts"
import { look, read } from "./document.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { versionIdOf } from "./managedDatastores.ts"
import { operate } from "./operate.ts"
import { preview } from "./preview.ts"

const Versioned = Schema.Struct({
  instance: Schema.Struct({
    datastore: Schema.Struct({ type: Schema.String, version: Schema.String, version_number: Schema.String })
  })
})

/** What the API calls the image that the instance has: its datastore version's id. */
const imageOf = Effect.fnUntraced(function* (connection: Connection, path: string) {
  const { instance } = yield* read(connection, Versioned, yield* look(connection, path))
  const { type: datastore, version, version_number: number } = instance.datastore
  return yield* versionIdOf(connection, { datastore, version, number })
})

export const rebuild = Command.make("rebuild", { nameOrId, wait, preview, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path, id) =>
    Effect.gen(function* () {
      const body = { rebuild: { image_id: yield* imageOf(connection, path) } }
      yield* operate(
        connection,
        id,
        asked,
        { method: "POST", path: `/mgmt${path}/action`, body },
        {
          kinds: ["rebuild"],
          done: "was rebuilt",
          underWay: "is being rebuilt",
          failure: (why) => `The rebuild of ${asked.nameOrId} failed: ${why}`
        }
      )
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("For administrators: have its server, as a container, made anew over the data that it has"),
  Command.withExamples([{ command: "coffer instance rebuild --wait first", description: "Until a client can log in" }])
)
