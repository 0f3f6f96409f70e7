/** `coffer user …`: the users inside an instance, and what they may use. */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { ShownUser, Users } from "./answers.ts"
import { asking, put, remove } from "./client.ts"
import { type Connection, connectionFlags, failed } from "./connection.ts"
import { create } from "./createUser.ts"
import { look, tell } from "./document.ts"
import { inside } from "./inside.ts"
import { json, nameOrId } from "./instanceFlags.ts"
import { allPages } from "./pages.ts"
import { passwd } from "./passwd.ts"
import { maxNamed, renderUsers, user as userName } from "./userFlags.ts"

const pathOf = (path: string, user: string) => `${path}/users/${encodeURIComponent(user)}`

const tellUser = Effect.fnUntraced(function* (
  connection: Connection,
  path: string,
  asked: { readonly json: boolean },
  user: string
) {
  yield* tell(connection, asked, yield* look(connection, pathOf(path, user)), ShownUser, ({ user }) =>
    renderUsers([user])
  )
})

const tellUsers = Effect.fnUntraced(function* (
  connection: Connection,
  path: string,
  asked: { readonly json: boolean }
) {
  const users = yield* allPages(connection, `${path}/users`, "users")
  yield* tell(connection, asked, { users }, Users, ({ users }) =>
    users.length === 0 ? "There are none. Make one with: coffer user create" : renderUsers(users)
  )
})

const list = Command.make("list", { nameOrId, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) => tellUsers(connection, path, asked)).pipe(asking)
).pipe(
  Command.withDescription("List the users inside an instance, with the databases that they may use"),
  Command.withExamples([{ command: "coffer user list first", description: "Those of the instance named first" }])
)

const show = Command.make("show", { nameOrId, user: userName, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) => tellUser(connection, path, asked, asked.user)).pipe(asking)
).pipe(
  Command.withDescription("Show a user inside an instance, with the databases that it may use"),
  Command.withExamples([
    { command: "coffer user show first ann", description: "Who may log in from anywhere" },
    { command: "coffer user show first ann@10.0.0.1", description: "Who may log in from there" }
  ])
)

const deletion = Command.make("delete", { nameOrId, user: userName, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      yield* remove(connection, pathOf(path, asked.user))
      if (asked.json) return yield* tellUsers(connection, path, asked)
      yield* Console.log(plain(`${asked.user} is gone.`))
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Delete a user inside an instance"),
  Command.withExamples([{ command: "coffer user delete first ann", description: "Who may log in no more" }])
)

const updateFlags = {
  nameOrId,
  user: userName,
  name: Flag.String("name").pipe(Flag.withDescription("What it is called from now on"), Flag.optional),
  host: Flag.String("host").pipe(
    Flag.withDescription("From where it may log in, for datastores that know it (MySQL, MariaDB); % is anywhere"),
    Flag.optional
  ),
  json,
  ...connectionFlags
}

/** The user under its new name, as a path of the API has it. */
const renamed = (user: string, name: Option.Option<string>, host: Option.Option<string>) => {
  const at = user.lastIndexOf("@")
  const before = at < 0 ? { name: user, host: "%" } : { name: user.slice(0, at), host: user.slice(at + 1) }
  return `${Option.getOrElse(name, () => before.name)}@${Option.getOrElse(host, () => before.host)}`
}

const update = Command.make("update", updateFlags, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      const { host, name } = asked
      if (Option.isNone(name) && Option.isNone(host))
        return yield* failed("Say what is to change: --name, or --host. A password: coffer user passwd")
      const change = {
        ...(Option.isSome(name) ? { name: name.value } : {}),
        ...(Option.isSome(host) ? { host: host.value } : {})
      }
      yield* put(connection, pathOf(path, asked.user), { user: change })
      yield* tellUser(connection, path, asked, renamed(asked.user, name, host))
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Give a user inside an instance another name, or another host to log in from"),
  Command.withExamples([
    { command: "coffer user update first ann --name anna", description: "She keeps her password and what she may use" }
  ])
)

const database = Argument.String("database").pipe(Argument.withDescription("The database that it is about"))

const grant = Command.make(
  "grant",
  { nameOrId, user: userName, databases: database.pipe(Argument.between(1, maxNamed)), json, ...connectionFlags },
  (asked) =>
    inside(asked, (connection, path) =>
      Effect.gen(function* () {
        const databases = asked.databases.map((name) => ({ name }))
        yield* put(connection, `${pathOf(path, asked.user)}/databases`, { databases })
        yield* tellUser(connection, path, asked, asked.user)
      })
    ).pipe(asking)
).pipe(
  Command.withDescription("Let a user use databases"),
  Command.withExamples([
    { command: "coffer user grant first ann shop stock", description: "Beside what she may use now" }
  ])
)

const revoke = Command.make("revoke", { nameOrId, user: userName, database, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      yield* remove(connection, `${pathOf(path, asked.user)}/databases/${encodeURIComponent(asked.database)}`)
      yield* tellUser(connection, path, asked, asked.user)
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Let a user use a database no more"),
  Command.withExamples([
    { command: "coffer user revoke first ann stock", description: "The other databases stay hers" }
  ])
)

export const user = Command.make("user").pipe(
  Command.withDescription("The users inside an instance: make and change them, and what they may use"),
  Command.withSubcommands([list, show, create, update, passwd, grant, revoke, deletion])
)
