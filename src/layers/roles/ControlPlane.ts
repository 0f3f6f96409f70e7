/**
 * What api, taskmanager and conductor have in common as processes of their own: the store in PostgreSQL, the fabric
 * over RabbitMQ with every guest's key, and the answer to whether both are there.
 */
import { readFile } from "node:fs/promises"
import { hostname } from "node:os"
import { NodeCrypto } from "@effect/platform-node"
import { ConfigProvider, Effect, Layer, Option } from "effect"
import * as AesSecretBox from "../AesSecretBox.ts"
import { type Configuration, type ConfigurationOf, healthAddress, type Role } from "../config/Configuration.ts"
import * as EmbeddedCatalog from "../embedded/EmbeddedCatalog.ts"
import * as RabbitFabric from "../fabric/RabbitFabric.ts"
import * as ControlPlaneProtections from "../fabric/secure/ControlPlaneProtections.ts"
import * as PgAccesses from "../postgres/PgAccesses.ts"
import * as PgAllInstances from "../postgres/PgAllInstances.ts"
import * as PgCatalogStore from "../postgres/PgCatalogStore.ts"
import * as PgConfigurations from "../postgres/PgConfigurations.ts"
import * as PgGuestHosts from "../postgres/PgGuestHosts.ts"
import * as PgHistory from "../postgres/PgHistory.ts"
import * as PgInstances from "../postgres/PgInstances.ts"
import * as PgKeyring from "../postgres/PgKeyring.ts"
import * as PgLifecycles from "../postgres/PgLifecycles.ts"
import * as PgObservations from "../postgres/PgObservations.ts"
import * as PgPool from "../postgres/PgPool.ts"
import * as PgUpgradeOrders from "../postgres/PgUpgradeOrders.ts"
import * as PgUpgrades from "../postgres/PgUpgrades.ts"
import * as SchemaVersion from "../postgres/SchemaVersion.ts"

export type ControlRole = Exclude<Role, "guestagent">
/** What all three require. */
type Config = ConfigurationOf<"taskmanager"> & ConfigurationOf<"conductor">

/** The store, whose tables are of this release, and the keys of all guests; its sessions have this name. */
export const store = (config: Config, role: ControlRole | "audit", session = `coffer ${role}`) =>
  Layer.mergeAll(
    PgInstances.layer,
    PgAllInstances.layer,
    PgConfigurations.layer,
    PgAccesses.layer,
    PgCatalogStore.layer,
    PgLifecycles.layer,
    PgUpgrades.layer,
    PgUpgradeOrders.layer,
    PgObservations.layer,
    PgHistory.layer,
    PgGuestHosts.layer,
    PgKeyring.layer
  ).pipe(
    Layer.provide(AesSecretBox.layer(config.secrets.key)),
    Layer.provide(Layer.effectDiscard(SchemaVersion.checkAtStart)),
    Layer.provideMerge(PgPool.layer(config.database.url, session)),
    Layer.provideMerge(Layer.mergeAll(NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest))
  )

/** What the settings say of the broker's TLS, read once. */
export const tlsFiles = ({ ca_file, cert_file, key_file }: Configuration["broker"]) => {
  const read = (path: string | undefined) =>
    path === undefined ? Effect.succeed(undefined) : Effect.promise(() => readFile(path))
  return Effect.map(Effect.all([read(ca_file), read(cert_file), read(key_file)]), ([ca, cert, key]) => ({
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key })
  }))
}

export const names = ({ broker }: Configuration) => ({ exchange: broker.control_exchange, queues: broker.queues })

/**
 * The fabric as a process of the control plane has it. Processes of one role on one machine differ by where they tell
 * their health: a name that lasts, for a queue goes with it.
 */
export const fabric = (config: Config, role: ControlRole) =>
  fabricOf(config, `${hostname()}-${role}-${healthAddress(config, role).port}`)

/** The same for a process of this name. */
export const fabricOf = (config: Config, server: string) =>
  Layer.unwrap(
    Effect.map(tlsFiles(config.broker), (tls) =>
      RabbitFabric.layer({
        urls: config.broker.urls,
        tls,
        names: names(config),
        server,
        prefetch: config.broker.prefetch,
        restricted: false
      })
    )
  ).pipe(Layer.provide(ControlPlaneProtections.layer(config.secrets.key)))

/** What is offered; with nothing named, the public images. */
export const catalog = ({ catalog }: Configuration) =>
  EmbeddedCatalog.layer({ runtime: "docker", mariadb: Option.none() }).pipe(
    Layer.provide(variables(catalog.file === undefined ? {} : { COFFER_CATALOG: catalog.file }))
  )

/** Settings under the names by which layers that the embedded service shares read them. */
export const variables = (values: Readonly<Record<string, string>>) =>
  ConfigProvider.layerAdd(ConfigProvider.fromUnknown(values), { asPrimary: true })
