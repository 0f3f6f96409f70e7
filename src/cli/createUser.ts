/** `coffer user create`: makes users inside an instance, who have passwords then. */
import { Console, Effect, Option, Redacted } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, order } from "./client.ts"
import { connectionFlags } from "./connection.ts"
import { printJson } from "./document.ts"
import { inside } from "./inside.ts"
import { json, nameOrId } from "./instanceFlags.ts"
import { databases, maxNamed } from "./userFlags.ts"
import { drawnOf, passwordFlags, passwordsFor, passwordsOf, tellingInCase, tellPasswords } from "./userPasswords.ts"

const flags = {
  nameOrId,
  names: Argument.String("user").pipe(
    Argument.withDescription("What the user is called. A password is never an argument"),
    Argument.between(1, maxNamed)
  ),
  database: databases,
  host: Flag.String("host").pipe(
    Flag.withDescription("From where it may log in, for datastores that know it (MySQL, MariaDB); if unset, anywhere"),
    Flag.optional
  ),
  ...passwordFlags,
  json,
  ...connectionFlags
}

export const create = Command.make("create", flags, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      const passwords = yield* passwordsFor(asked.names, asked)
      const host = Option.getOrElse(asked.host, () => "%")
      const databases = asked.database.map((name) => ({ name }))
      const users = asked.names.map((name) => ({ name, host, databases }))
      const withPasswords = users.map((user, n) => ({
        ...user,
        password: Redacted.value(passwords[n]?.password ?? Redacted.make(""))
      }))
      const drawn = drawnOf(passwords)
      const doubt = `Whether they were made is not known: coffer user list ${asked.nameOrId} tells. If they were:`
      yield* order(connection, `${path}/users`, { users: withPasswords }).pipe(
        tellingInCase(drawn, asked, doubt, { users: null })
      )
      if (asked.json) return yield* printJson({ users, ...passwordsOf(drawn) })
      yield* Console.log(plain(`${asked.names.join(", ")}: made.`))
      yield* tellPasswords(drawn)
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Make users inside an instance, with passwords that are drawn and told once"),
  Command.withExamples([
    { command: "coffer user create first ann --database shop", description: "She may use the database shop" },
    { command: "coffer user create first ann --ask-password", description: "With a password that you type" }
  ])
)
