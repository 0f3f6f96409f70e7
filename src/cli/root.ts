/** `coffer root …`: the administrator inside an instance, who belongs to its tenant. */
import { Console, Effect, Redacted } from "effect"
import { Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { RootEnabled, RootUser } from "./answers.ts"
import { asking, post, remove } from "./client.ts"
import { connectionFlags } from "./connection.ts"
import { look, printJson, tell } from "./document.ts"
import { inside } from "./inside.ts"
import { json, nameOrId } from "./instanceFlags.ts"
import { drawnOf, passwordFlags, passwordsFor, tellingInCase, tellPasswords } from "./userPasswords.ts"

const show = Command.make("show", { nameOrId, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.flatMap(look(connection, `${path}/root`), (found) =>
      tell(connection, asked, found, RootEnabled, ({ rootEnabled }) =>
        plain(`root is ${rootEnabled ? "enabled" : "not enabled"} on ${asked.nameOrId}.`)
      )
    )
  ).pipe(asking)
).pipe(
  Command.withDescription("Tell whether root is enabled"),
  Command.withExamples([{ command: "coffer root show first", description: "On the instance named first" }])
)

const enable = Command.make("enable", { nameOrId, ...passwordFlags, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      const passwords = yield* passwordsFor(["root"], asked)
      const doubt = `Whether root was enabled is not known: coffer root show ${asked.nameOrId} tells. If it was:`
      const [user] = yield* Effect.forEach(passwords, ({ password }) =>
        post(connection, `${path}/root`, { password: Redacted.value(password) }, RootUser)
      ).pipe(tellingInCase(drawnOf(passwords), asked, doubt, { user: null }))
      if (asked.json) return yield* printJson({ ...user })
      yield* Console.log(plain(`root is enabled on ${asked.nameOrId}.`))
      yield* tellPasswords(drawnOf(passwords))
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Enable root with a new password, which is drawn and told once: it may do everything inside"),
  Command.withExamples([
    { command: "coffer root enable first", description: "Asked for again, it has another password" }
  ])
)

const disable = Command.make("disable", { nameOrId, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      yield* remove(connection, `${path}/root`)
      if (asked.json) return yield* printJson(yield* look(connection, `${path}/root`))
      yield* Console.log(plain(`root is not enabled on ${asked.nameOrId} any more.`))
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Let root log in no more"),
  Command.withExamples([{ command: "coffer root disable first", description: "It can be enabled again" }])
)

export const root = Command.make("root").pipe(
  Command.withDescription("The administrator inside an instance: enable and disable it"),
  Command.withSubcommands([show, enable, disable])
)
