/**
 * What the embedded service offers: a small catalog of its own, by what this machine can run, or the one in the
 * file that `COFFER_CATALOG` names (JSON, the shape of `CatalogFile`).
 */
import { readFile } from "node:fs/promises"
import { Config, Effect, Layer, Option, Schema } from "effect"
import { type CatalogContents, CatalogFile, type Datastore, type DatastoreManagerName } from "../../services/Catalog.ts"
import * as OfferedCatalog from "../../services/catalog/OfferedCatalog.ts"

/** The file cannot be read, or is not a catalog. */
export class CatalogInvalid extends Schema.TaggedError<CatalogInvalid>()("CatalogInvalid", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `The catalog ${this.path} cannot be used: ${this.reason}`
  }
}

const flavors = [
  { id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 },
  { id: "2", name: "db.small", ram: 2048, vcpus: 1, disk: 20, ephemeral: 0 },
  { id: "3", name: "db.medium", ram: 4096, vcpus: 2, disk: 40, ephemeral: 0 }
]

/** A datastore of our own; ids are fixed, so that they stay the same from start to start. */
const datastore = (manager: DatastoreManagerName, number: number, versions: ReadonlyArray<string>): Datastore => {
  const id = (n: number) => `c0ffe700-0000-4000-8000-${String(number * 1000 + n).padStart(12, "0")}`
  const offered = versions.map((version, n) => ({
    id: id(n + 1),
    name: version,
    version,
    manager,
    image: `${manager === "postgresql" ? "postgres" : manager}:${version}`,
    active: true
  }))
  return { id: id(0), name: manager, versions: offered, defaultVersion: offered[0]?.id ?? null }
}

/** With containers: the public images. Without: what is installed here. */
const builtIn = (host: Host): CatalogContents => ({
  flavors,
  datastores:
    host.runtime === "docker"
      ? [
          datastore("postgresql", 1, ["18", "17", "16"]),
          datastore("mariadb", 2, ["11.8", "10.11"]),
          datastore("mysql", 3, ["8.4"])
        ]
      : [
          datastore("postgresql", 1, ["18"]),
          ...Option.toArray(Option.map(host.mariadb, (version) => datastore("mariadb", 2, [version])))
        ],
  defaultDatastore: "postgresql"
})

export interface Host {
  readonly runtime: "docker" | "process"
  /** The version of the server that is installed here, if one is. */
  readonly mariadb: Option.Option<string>
}

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(CatalogFile))

const readCatalog = Effect.fnUntraced(function* (path: string) {
  const refuse = (error: unknown) =>
    new CatalogInvalid({ path, reason: error instanceof Error ? error.message : String(error) })
  const text = yield* Effect.tryPromise({ try: () => readFile(path, "utf8"), catch: refuse })
  return yield* Effect.mapError(decode(text), refuse)
})

/** With what administrators changed of it. */
export const layer = (host: Host) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const path = yield* Config.option(Config.String("COFFER_CATALOG"))
      return OfferedCatalog.layer(Option.isSome(path) ? yield* readCatalog(path.value) : builtIn(host))
    })
  )
