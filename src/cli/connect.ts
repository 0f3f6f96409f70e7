/** `coffer connect`: opens psql or mariadb on an instance. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { type Instance, Shown, type User, Users } from "./answers.ts"
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

const distinct = (names: ReadonlyArray<{ readonly name: string }>) => [...new Set(names.map(({ name }) => name))]

/** The user that was named, else the only one there is. */
const userOf = ({ nameOrId, user }: Asked, users: ReadonlyArray<User>) => {
  if (Option.isSome(user)) return Effect.succeed(user.value)
  const [first, ...others] = distinct(users)
  if (first !== undefined && others.length === 0) return Effect.succeed(first)
  return failed(
    plain(
      first === undefined
        ? `${nameOrId} has no users. Make one: coffer user create ${nameOrId} NAME`
        : `${nameOrId} has several users: ${[first, ...others].join(", ")}. Name one with --user.`
    )
  )
}

/** The database that was named, else the only one that the user may use; null for whom the API does not tell of, as root. */
const databaseOf = ({ database }: Asked, users: ReadonlyArray<User>, user: string) => {
  if (Option.isSome(database)) return Effect.succeed(database.value)
  const [first, ...others] = distinct(users.filter(({ name }) => name === user).flatMap(({ databases }) => databases))
  if (others.length === 0) return Effect.succeed(first ?? null)
  return failed(plain(`${user} may use several databases: ${[first, ...others].join(", ")}. Name one with --database.`))
}

/** As whom to log in to which database; the users are looked at where something was not named. */
const whoAndWhere = Effect.fnUntraced(function* (connection: Connection, path: string, asked: Asked) {
  const isNamed = Option.isSome(asked.user) && Option.isSome(asked.database)
  const found = { users: isNamed ? [] : yield* allPages(connection, `${path}/users`, "users") }
  const { users } = yield* read(connection, Users, found)
  const user = yield* userOf(asked, users)
  return { user, database: yield* databaseOf(asked, users, user) }
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
      const { database, user } = yield* whoAndWhere(connection, path, asked)
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
