/** `coffer instance create`: orders an instance, with databases and users in it. */
import { Console, Effect, Exit, Option, Redacted, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { accessFlags, accessOf } from "./accessFlags.ts"
import { type Instance, Whole } from "./answers.ts"
import { asking, post } from "./client.ts"
import { type Connection, connect, connectionFlags, failed } from "./connection.ts"
import { printJson, readInstance, wholeInstance } from "./document.ts"
import { flavorIdOf } from "./flavors.ts"
import { renderInstance } from "./historyView.ts"
import { json, wait } from "./instanceFlags.ts"
import { makeProgress } from "./progress.ts"
import {
  drawnOf,
  passwordFlags,
  passwordsFor,
  passwordsOf,
  tellingInCase,
  tellPasswords,
  type UserPassword
} from "./userPasswords.ts"
import { awaitService } from "./waiting.ts"

/** How many databases, or users, one order names. */
const maxNamed = 100

const flags = {
  name: Argument.String("name").pipe(Argument.withDescription("What to call it")),
  datastore: Flag.String("datastore").pipe(Flag.withDescription("What it runs: postgresql, mariadb …")),
  version: Flag.String("version").pipe(Flag.withDescription("Which version; if unset, the default"), Flag.optional),
  flavor: Flag.String("flavor").pipe(Flag.withDescription("How big: the name or the id of a flavor")),
  size: Flag.Int("size").pipe(
    Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
    Flag.withDescription("The size of its volume in GB")
  ),
  database: Flag.String("database").pipe(
    Flag.withDescription("A database to make; repeat it for more"),
    Flag.between(0, maxNamed)
  ),
  user: Flag.String("user").pipe(
    Flag.withDescription(
      "A user to make, who may use those databases; repeat it for more. A password is never an argument"
    ),
    Flag.between(0, maxNamed)
  ),
  zone: Flag.String("zone").pipe(
    Flag.withDescription("The availability zone to live in; if unset, any will do"),
    Flag.optional
  ),
  ...accessFlags,
  ...passwordFlags,
  wait,
  json,
  ...connectionFlags
}

type Asked = Command.Command.Config.Infer<typeof flags>

const orderOf = (asked: Asked, flavorRef: string, users: ReadonlyArray<UserPassword>) => {
  const databases = asked.database.map((name) => ({ name }))
  return {
    name: asked.name,
    flavorRef,
    volume: { size: asked.size },
    datastore: { type: asked.datastore, version: Option.getOrNull(asked.version) },
    databases,
    ...(Option.isNone(asked.zone) ? {} : { availability_zone: asked.zone.value }),
    ...(Object.keys(accessOf(asked)).length === 0 ? {} : { access: accessOf(asked) }),
    users: users.map(({ name, password }) => ({ name, password: Redacted.value(password), databases }))
  }
}

const untilBuilt = Effect.fnUntraced(function* (connection: Connection, { name }: Asked, id: string) {
  const failure = yield* awaitService(connection, id, yield* makeProgress([]))
  if (failure !== null) return yield* failed(plain(`${name} was not built: ${failure}`))
})

const inWords = Effect.fnUntraced(function* (
  connection: Connection,
  asked: Asked,
  { id }: Instance,
  drawn: ReadonlyArray<UserPassword>
) {
  yield* Console.log(plain(`${asked.name} is being built; its id is ${id}.`))
  yield* tellPasswords(drawn)
  if (!asked.wait) return yield* Console.log(plain(`Watch it come up:  coffer instance show --watch ${asked.name}`))
  yield* untilBuilt(connection, asked, id)
  yield* Console.log(renderInstance(yield* readInstance(connection, yield* wholeInstance(connection, id))))
})

const asDocument = Effect.fnUntraced(function* (
  connection: Connection,
  asked: Asked,
  created: Schema.Json,
  { id }: Instance,
  drawn: ReadonlyArray<UserPassword>
) {
  let instance = created
  const look = Effect.map(wholeInstance(connection, id), (seen) => {
    instance = seen ?? instance
  })
  const tell = Effect.suspend(() => printJson({ instance, ...passwordsOf(drawn) }))
  if (!asked.wait) return yield* tell
  yield* untilBuilt(connection, asked, id).pipe(
    Effect.onExit((exit) => (Exit.hasInterrupts(exit) ? Effect.void : Effect.ignore(look))),
    // However the wait ends, the passwords have to be told.
    Effect.ensuring(tell)
  )
})

export const create = Command.make("create", flags, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const users = yield* passwordsFor(asked.user, asked)
    const order = orderOf(asked, yield* flavorIdOf(connection, asked.flavor), users)
    const drawn = drawnOf(users)
    const doubt = `Whether ${asked.name} was ordered is not known: coffer instance list tells. If it was:`
    const { created, instance } = yield* Effect.gen(function* () {
      const { instance } = yield* post(connection, "/instances", { instance: order }, Whole)
      return { created: instance, instance: yield* readInstance(connection, instance) }
    }).pipe(tellingInCase(drawn, asked, doubt, { instance: null }))
    if (asked.json) return yield* asDocument(connection, asked, created, instance, drawn)
    yield* inWords(connection, asked, instance, drawn)
  }).pipe(asking)
).pipe(
  Command.withDescription("Order a database instance"),
  Command.withExamples([
    {
      command:
        "coffer instance create first --datastore postgresql --flavor db.small --size 1 --database shop --user ann --wait",
      description: "A PostgreSQL with a database and a user, whose password is drawn and told once"
    }
  ])
)
