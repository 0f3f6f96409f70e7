/** `coffer instance rebuild`: an administrator has the server of an instance made anew over its data. */
import { Console, Effect, Schema } from "effect"
import { Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, order } from "./client.ts"
import { type Connection, connectionFlags, failed } from "./connection.ts"
import { look, printJson, read, wholeInstance } from "./document.ts"
import { historyOf } from "./follow.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { versionIdOf } from "./managedDatastores.ts"
import { preview, tellPreview } from "./preview.ts"
import { makeProgress } from "./progress.ts"
import { awaitService, runFailure } from "./waiting.ts"

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
      const action = `/mgmt${path}/action`
      const body = { rebuild: { image_id: yield* imageOf(connection, path) } }
      if (asked.preview) return yield* tellPreview(connection, asked, "POST", action, body)
      const before = asked.wait ? yield* historyOf(connection, id) : []
      yield* order(connection, action, body)
      const failure = asked.wait
        ? yield* awaitService(connection, id, yield* makeProgress(before), runFailure(["rebuild"], before))
        : null
      if (asked.json) yield* printJson({ instance: yield* wholeInstance(connection, id) })
      if (failure !== null) return yield* failed(plain(`The rebuild of ${asked.nameOrId} failed: ${failure}`))
      if (asked.json) return
      yield* Console.log(plain(`${asked.nameOrId} ${asked.wait ? "was rebuilt" : "is being rebuilt"}.`))
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("For administrators: have its server, as a container, made anew over the data that it has"),
  Command.withExamples([{ command: "coffer instance rebuild --wait first", description: "Until a client can log in" }])
)
