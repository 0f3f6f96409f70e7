/** `coffer instance resize`: gives an instance another flavor, or a larger volume. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { asking } from "./client.ts"
import { type Connection, connectionFlags, failed } from "./connection.ts"
import { flavorIdOf } from "./flavors.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { operate } from "./operate.ts"
import { preview } from "./preview.ts"

const flavor = Flag.String("flavor").pipe(
  Flag.withDescription(
    "The name or the id of its new flavor; its database is restarted where it cannot take it without"
  ),
  Flag.optional
)
const volume = Flag.Int("volume").pipe(
  Flag.withDescription("The new size of its volume in GB, larger than it is"),
  Flag.optional
)

/** One of the two, and not both. */
const sizeOf = Effect.fnUntraced(function* (
  connection: Connection,
  flavor: Option.Option<string>,
  volume: Option.Option<number>
) {
  if (Option.isSome(flavor) === Option.isSome(volume))
    return yield* failed("Say what to resize to: --flavor with a flavor, or --volume with GB.")
  return Option.isSome(flavor)
    ? { flavorRef: yield* flavorIdOf(connection, flavor.value) }
    : { volume: { size: Option.getOrElse(volume, () => 0) } }
})

export const resize = Command.make(
  "resize",
  { nameOrId, flavor, volume, wait, preview, json, ...connectionFlags },
  (asked) =>
    inside(asked, (connection, path, id) =>
      Effect.gen(function* () {
        const body = { resize: yield* sizeOf(connection, asked.flavor, asked.volume) }
        yield* operate(
          connection,
          id,
          asked,
          { method: "POST", path: `${path}/action`, body },
          {
            kinds: ["resize"],
            done: "was resized",
            underWay: "is being resized",
            failure: (why) => `The resize of ${asked.nameOrId} failed: ${why}`
          }
        )
      })
    ).pipe(asking)
).pipe(
  Command.withDescription(
    "Give an instance another flavor, or a larger volume; what fails goes back to what was before"
  ),
  Command.withExamples([
    {
      command: "coffer instance resize first --flavor db.small --wait",
      description: "Until a client can log in again"
    },
    { command: "coffer instance resize first --volume 5", description: "While it serves" }
  ])
)
