/** `coffer user passwd`: gives a user inside an instance another password. */
import { Console, Effect, Redacted } from "effect"
import { Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, put } from "./client.ts"
import { connectionFlags } from "./connection.ts"
import { printJson } from "./document.ts"
import { inside } from "./inside.ts"
import { json, nameOrId } from "./instanceFlags.ts"
import { user } from "./userFlags.ts"
import { drawnOf, passwordFlags, passwordsFor, passwordsOf, tellingInCase, tellPasswords } from "./userPasswords.ts"

export const passwd = Command.make("passwd", { nameOrId, user, ...passwordFlags, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      const passwords = yield* passwordsFor([asked.user], asked)
      const drawn = drawnOf(passwords)
      const doubt = `Whether the password of ${asked.user} was changed is not known. If it was:`
      yield* Effect.forEach(passwords, ({ password }) =>
        put(connection, `${path}/users/${encodeURIComponent(asked.user)}`, {
          user: { password: Redacted.value(password) }
        })
      ).pipe(tellingInCase(drawn, asked, doubt, {}))
      if (asked.json) return yield* printJson(passwordsOf(drawn))
      yield* Console.log(plain(`${asked.user} has another password.`))
      yield* tellPasswords(drawn)
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Give a user another password, which is drawn and told once"),
  Command.withExamples([
    { command: "coffer user passwd first ann", description: "Drawn, and told once" },
    { command: "coffer user passwd first ann --ask-password", description: "Asked for on the terminal" }
  ])
)
