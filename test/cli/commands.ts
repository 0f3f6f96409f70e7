/** The commands run here, against a real API, with what they print in hand. */
import { NodeServices } from "@effect/platform-node"
import { Console, Effect, Exit, Layer, References } from "effect"
import { Command } from "effect/cli"
import { HttpServer } from "effect/http"
import { CurrentScreen } from "../../src/cli/terminal.ts"
import { project } from "../http/harness.ts"

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** What a command has printed so far. */
interface Printed {
  out: string
  err: string
}

export const portOfServer = Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
  address._tag === "UnixPathAddress" ? Effect.die("the server listens on a socket") : Effect.succeed(address.port)
)

/** A live clock brings a live log along. */
export const quietly = <A, E, R>(layer: Layer.Layer<A, E, R>) =>
  Layer.provide(layer, Layer.succeed(References.MinimumLogLevel, "None"))

/** The ways to run the commands of one subject. */
export const commands = <Name extends string, Input, E>(
  command: Command.Command<Name, Input, object, E, Command.Environment>
) => {
  /** Runs a command to its end. */
  const runAt = Effect.fnUntraced(function* (
    port: number,
    args: ReadonlyArray<string>,
    printed: Printed = { out: "", err: "" }
  ) {
    const captured: Console.Console = {
      ...globalThis.console,
      log: (...line) => {
        printed.out += `${line.join(" ")}\n`
      },
      error: (...line) => {
        printed.err += `${line.join(" ")}\n`
      }
    }
    const screen = {
      columns: null,
      write: (text: string) => {
        printed.err += text
      }
    }
    const where = ["--url", `http://127.0.0.1:${port}`, "--project", project]
    const exit = yield* Command.runWith(command, { version: "0" })([...args, ...where]).pipe(
      Effect.provideService(Console.Console, captured),
      Effect.provideService(CurrentScreen, screen),
      Effect.provide(NodeServices.layer),
      Effect.exit
    )
    const failed = process.exitCode === 1 || Exit.isFailure(exit)
    process.exitCode = 0
    const ended: Ended = { code: failed ? 1 : 0, ...printed }
    return ended
  })

  /** The same, against the server of the test. */
  const coffer = (...args: ReadonlyArray<string>) => Effect.flatMap(portOfServer, (port) => runAt(port, args))

  return { coffer, runAt }
}
