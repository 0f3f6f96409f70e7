/** `coffer instance restart`, `stop`, `start`: the database of an instance, down, up, or both in turn. */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, order } from "./client.ts"
import { connectionFlags, failed } from "./connection.ts"
import { printJson, wholeInstance } from "./document.ts"
import { historyOf } from "./follow.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { preview, tellPreview } from "./preview.ts"
import { makeProgress } from "./progress.ts"
import { awaitService, awaitStopped, runFailure } from "./waiting.ts"

const flags = { nameOrId, wait, preview, json, ...connectionFlags }

interface Words {
  readonly done: string
  readonly underWay: string
  /** Operations that may be what carries it out. */
  readonly kinds: ReadonlyArray<string>
}

const switching = (action: "restart" | "stop" | "start", { done, kinds, underWay }: Words) =>
  Command.make(action, flags, (asked) =>
    inside(asked, (connection, path, id) =>
      Effect.gen(function* () {
        const body = { [action]: {} }
        if (asked.preview) return yield* tellPreview(connection, asked, "POST", `${path}/action`, body)
        const before = asked.wait ? yield* historyOf(connection, id) : []
        yield* order(connection, `${path}/action`, body)
        const waiting = action === "stop" ? awaitStopped : awaitService
        const failure = asked.wait
          ? yield* waiting(connection, id, yield* makeProgress(before), runFailure(kinds, before))
          : null
        if (asked.json) yield* printJson({ instance: yield* wholeInstance(connection, id) })
        if (failure !== null) return yield* failed(plain(`The ${action} of ${asked.nameOrId} failed: ${failure}`))
        if (asked.json) return
        yield* Console.log(plain(`${asked.nameOrId} ${asked.wait ? done : underWay}.`))
      })
    ).pipe(asking)
  )

export const restart = switching("restart", {
  done: "was restarted",
  underWay: "is being restarted",
  kinds: ["restart", "start"]
}).pipe(
  Command.withDescription("Stop the database of an instance and start it again; its clients are cut off"),
  Command.withExamples([{ command: "coffer instance restart --wait first", description: "Until a client can log in" }])
)

export const stop = switching("stop", { done: "is stopped", underWay: "is being stopped", kinds: ["stop"] }).pipe(
  Command.withDescription("Stop the database of an instance, which stays so until it is started; its data stays"),
  Command.withExamples([
    { command: "coffer instance stop --wait first", description: "Until it has come to a clean end" },
    { command: "coffer instance stop --preview first", description: "What that would do" }
  ])
)

export const start = switching("start", { done: "is started", underWay: "is being started", kinds: ["start"] }).pipe(
  Command.withDescription("Start the database of an instance that was stopped"),
  Command.withExamples([{ command: "coffer instance start --wait first", description: "Until a client can log in" }])
)
