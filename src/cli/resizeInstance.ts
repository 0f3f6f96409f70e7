/** `coffer instance resize`: gives an instance another flavor, or a larger volume. */
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, order } from "./client.ts"
import { type Connection, connectionFlags, failed } from "./connection.ts"
import { printJson, wholeInstance } from "./document.ts"
import { flavorIdOf } from "./flavors.ts"
import { historyOf } from "./follow.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { preview, tellPreview } from "./preview.ts"
import { makeProgress } from "./progress.ts"
import { awaitService, runFailure } from "./waiting.ts"

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
        const size = yield* sizeOf(connection, asked.flavor, asked.volume)
        const body = { resize: size }
        if (asked.preview) return yield* tellPreview(connection, asked, "POST", `${path}/action`, body)
        const before = asked.wait ? yield* historyOf(connection, id) : []
        yield* order(connection, `${path}/action`, body)
        const failure = asked.wait
          ? yield* awaitService(connection, id, yield* makeProgress(before), runFailure(["resize"], before))
          : null
        if (asked.json) yield* printJson({ instance: yield* wholeInstance(connection, id) })
        if (failure !== null) return yield* failed(plain(`The resize of ${asked.nameOrId} failed: ${failure}`))
        if (asked.json) return
        yield* Console.log(plain(`${asked.nameOrId} ${asked.wait ? "was resized" : "is being resized"}.`))
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
