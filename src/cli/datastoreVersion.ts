/** `coffer datastore version …`: for administrators, which versions can be ordered. */
import { Console, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, order, patch, remove } from "./client.ts"
import { connect, connectionFlags, failed } from "./connection.ts"
import { tell } from "./document.ts"
import { json } from "./instanceFlags.ts"
import {
  datastore,
  either,
  flag,
  lookAtVersions,
  ManagedVersions,
  renderVersions,
  said,
  text,
  version,
  versionIdOf,
  versionsPath
} from "./managedDatastores.ts"

const list = Command.make("list", { json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* tell(connection, asked, yield* lookAtVersions(connection), ManagedVersions, renderVersions)
  }).pipe(asking)
).pipe(
  Command.withDescription("For administrators: list every version, also what takes no orders"),
  Command.withExamples([{ command: "coffer datastore version list", description: "With images and ids" }])
)

const isDefault = flag("default", "It is taken where none is named")
const inactive = flag("inactive", "It takes no orders; instances that there are live on")

const createFlags = {
  datastore: Argument.String("datastore").pipe(Argument.withDescription("Its name, or its id; else it is made")),
  name: Argument.String("name").pipe(Argument.withDescription("What the version is to be called")),
  manager: Flag.String("manager").pipe(Flag.withDescription("The kind of server: postgresql, mariadb or mysql")),
  image: Flag.String("image").pipe(Flag.withDescription("The container image, as docker.io/library/postgres:18")),
  number: text("number", "The number of the server's version; if unset, the name"),
  default: isDefault,
  inactive,
  json,
  ...connectionFlags
}

const create = Command.make("create", createFlags, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* order(connection, versionsPath, {
      version: {
        name: asked.name,
        datastore_name: asked.datastore,
        datastore_manager: asked.manager,
        image: asked.image,
        active: !asked.inactive,
        default: asked.default,
        ...said({ version: asked.number })
      }
    })
    yield* tell(connection, asked, yield* lookAtVersions(connection), ManagedVersions, renderVersions)
  }).pipe(asking)
).pipe(
  Command.withDescription("For administrators: add a version that can be ordered"),
  Command.withExamples([
    {
      command:
        "coffer datastore version create postgresql 18-lts --number 18 --manager postgresql --image docker.io/library/postgres:18",
      description: "A second name for PostgreSQL 18"
    }
  ])
)

const setFlags = {
  datastore,
  version,
  name: text("name", "Another name"),
  image: text("image", "Another container image, for servers that are made from now on"),
  default: isDefault,
  noDefault: flag("no-default", "It is not taken any more where none is named"),
  active: flag("active", "It takes orders"),
  inactive,
  json,
  ...connectionFlags
}

const set = Command.make("set", setFlags, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    if ((asked.active && asked.inactive) || (asked.default && asked.noDefault))
      return yield* failed("--active and --inactive contradict each other, and so do --default and --no-default.")
    const change = said({
      name: asked.name,
      image: asked.image,
      active: either(asked.active, asked.inactive),
      default: either(asked.default, asked.noDefault)
    })
    if (Object.keys(change).length === 0)
      return yield* failed("Say what is to change: --name, --image, --active, --inactive, --default, --no-default.")
    yield* patch(connection, `${versionsPath}/${yield* versionIdOf(connection, asked)}`, change)
    yield* tell(connection, asked, yield* lookAtVersions(connection), ManagedVersions, renderVersions)
  }).pipe(asking)
).pipe(
  Command.withDescription("For administrators: change a version, and whether it takes orders"),
  Command.withExamples([
    { command: "coffer datastore version set postgresql 18-lts --inactive", description: "Nobody orders it any more" }
  ])
)

const deletion = Command.make("delete", { datastore, version, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* remove(connection, `${versionsPath}/${yield* versionIdOf(connection, asked)}`)
    if (!asked.json) return yield* Console.log(plain(`Version ${asked.version} of ${asked.datastore} is gone.`))
    yield* tell(connection, asked, yield* lookAtVersions(connection), ManagedVersions, renderVersions)
  }).pipe(asking)
).pipe(
  Command.withDescription("For administrators: delete a version that was added, and that nothing uses"),
  Command.withExamples([
    { command: "coffer datastore version delete postgresql 18-lts", description: "After its last instance" }
  ])
)

export const datastoreVersion = Command.make("version").pipe(
  Command.withDescription("For administrators: which versions can be ordered"),
  Command.withSubcommands([list, create, set, deletion])
)
