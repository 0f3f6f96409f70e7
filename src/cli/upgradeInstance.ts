/** `coffer instance upgrade`: brings an instance to another version of its datastore, on a copy of its data. */
import { Command, Flag } from "effect/cli"
import { asking } from "./client.ts"
import { connectionFlags } from "./connection.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { operate } from "./operate.ts"
import { preview } from "./preview.ts"

const version = Flag.String("version").pipe(
  Flag.withDescription("Version of the same datastore, by its name or id; not an older one")
)

export const upgrade = Command.make(
  "upgrade",
  { nameOrId, version, wait, preview, json, ...connectionFlags },
  (asked) =>
    inside(asked, (connection, path, id) =>
      operate(
        connection,
        id,
        asked,
        { method: "PUT", path, body: { instance: { datastore_version: asked.version } } },
        {
          kinds: ["upgrade"],
          done: `was upgraded to version ${asked.version}`,
          underWay: `is being upgraded to version ${asked.version}`,
          failure: (why) => `${asked.nameOrId} was not upgraded, and serves as before: ${why}`
        }
      )
    ).pipe(asking)
).pipe(
  Command.withDescription("Bring an instance to another version; it goes back by itself where that does not serve"),
  Command.withExamples([
    { command: "coffer instance upgrade first --version 18 --wait", description: "Until the new version serves" }
  ])
)
