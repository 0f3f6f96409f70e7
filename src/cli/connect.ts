/** `coffer connect`: opens psql or mariadb on an instance. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { type Instance, Shown, ShownUser, Users } from "./answers.ts"
import { asking, get } from "./client.ts"
import { type Connection, connectionFlags, failed, readText } from "./connection.ts"
import { clientOf, findProgram } from "./databaseClients.ts"
import { read } from "./document.ts"
import { handOver } from "./handOver.ts"
import { inside } from "./inside.ts"
import { nameOrId } from "./instanceFlags.ts"
import { allPages } from "./pages.ts"
import { patiently } from "./patience.ts"
import { isHealthy } from "./waiting.ts"

/** How many arguments are passed on. */
const maxPassedOn = 1000

const flags = {
  nameOrId,
  passedOn: Argument.String("argument").pipe(
    Argument.withDescription("What stands after -- is for the program itself"),
    Argument.between(0, maxPassedOn)
  ),
  user: Flag.String("user").pipe(
    Flag.withDescription("As whom to log in; if unset, the only user that there is"),
    Flag.optional
  ),
  database: Flag.String("database").pipe(
    Flag.withDescription("To which database; if unset, the only one that the user may use"),
    Flag.optional
  ),
  passwordFile: Flag.File("password-file").pipe(
    Flag.withDescription("A file with the user's password; if unset, the program asks for it"),
    Flag.optional
  ),
  ...connectionFlags
}

type Asked = Command.Command.Config.Infer<typeof flags>

/** Where a client can log in; else why it cannot now. */
const addressOf = Effect.fnUntraced(function* ({ nameOrId }: Asked, instance: Instance) {
  const { ip: [address] = [], operating_status, status } = instance
  if (!isHealthy(instance)) {
    const health = operating_status === "" ? "" : ` (${operating_status})`
    return yield* failed(
      plain(
        `${nameOrId} is ${status}${health}: nobody can log in now. See why: coffer instance show --watch ${nameOrId}`
      )
    )
  }
  if (address === undefined)
    return yield* failed(plain(`${nameOrId} has no address yet. Look again: coffer instance show ${nameOrId}`))
  return address
})

/** The user that was named, else the only one there is. */
const userOf = Effect.fnUntraced(function* (connection: Connection, path: string, asked: Asked) {
  if (Option.isSome(asked.user)) return asked.user.value
  const found = { users: yield* allPages(connection, `${path}/users`, "users") }
  const { users } = yield* read(connection, Users, found)
  const names = [...new Set(users.map(({ name }) => name))]
  if (names[0] !== undefined && names.length === 1) return names[0]
  return yield* failed(
    plain(
      names.length === 0
        ? `${asked.nameOrId} has no users. Make one: coffer user create ${asked.nameOrId} NAME`
        : `${asked.nameOrId} has several users: ${names.join(", ")}. Name one with --user.`
    )
  )
})

/** The database that was named, else the only one that the user may use; null where that says nothing. */
const databaseOf = Effect.fnUntraced(function* (connection: Connection, path: string, asked: Asked, user: string) {
  if (Option.isSome(asked.database)) return asked.database.value
  // root is nobody of whom the API tells: it may use everything.
  const { databases } = yield* patiently(get(connection, `${path}/users/${encodeURIComponent(user)}`, ShownUser)).pipe(
    Effect.map(({ user }) => user),
    Effect.catchIf(
      ({ status }) => status === 404 || status === 400,
      () => Effect.succeed({ databases: [] })
    )
  )
  if (databases.length > 1)
    return yield* failed(
      plain(`${user} may use several databases: ${databases.map(({ name }) => name).join(", ")}. Name one: --database`)
    )
  return databases[0]?.name ?? null
})

const passwordOf = Effect.fnUntraced(function* (file: string) {
  const password = yield* readText("password file", file)
  return password === "" || password.includes("\n")
    ? yield* failed(`The password file ${file} has to hold one line, and nothing else.`)
    : password
})

/** What the program sees of our variables: all but the key to the API, which is no business of a database's client. */
const variables = () => {
  const { COFFER_TOKEN: _, ...others } = process.env
  return others
}

export const connect = Command.make("connect", flags, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      const { instance } = yield* patiently(get(connection, path, Shown))
      const client = clientOf(instance.datastore.type)
      if (client === undefined)
        return yield* failed(plain(`No client is known for ${instance.datastore.type}; its address is ${instance.ip}.`))
      const address = yield* addressOf(asked, instance)
      const user = yield* userOf(connection, path, asked)
      const database = yield* databaseOf(connection, path, asked, user)
      const program = findProgram(client.programs, process.env["PATH"] ?? "")
      if (program === null)
        return yield* failed(
          `There is no ${client.programs.join(" or ")} on the PATH. On Debian and its like: apt install ${client.packageName}`
        )
      const login = { address, user, database }
      const env: NodeJS.ProcessEnv = { ...variables(), ...client.variablesFor(login) }
      if (Option.isSome(asked.passwordFile)) env[client.passwordVariable] = yield* passwordOf(asked.passwordFile.value)
      const ask = env[client.passwordVariable] === undefined ? client.askArguments : []
      yield* handOver(program, [...client.argumentsFor(login), ...ask, ...asked.passedOn], env)
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Open psql or mariadb on an instance"),
  Command.withExamples([
    { command: "coffer connect first", description: "As its only user, to the only database that it may use" },
    { command: "coffer connect first --user ann --database shop -- -c 'SELECT 1'", description: "One statement" }
  ])
)
