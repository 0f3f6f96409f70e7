/** The commands of coffer, and where each is. */
import { Command } from "effect/cli"
import { audit } from "./audit.ts"
import { cluster } from "./cluster.ts"
import { completion } from "./completion.ts"
import { config } from "./config.ts"
import { configuration } from "./configuration.ts"
import { connect } from "./connect.ts"
import { database } from "./database.ts"
import { datastore } from "./datastore.ts"
import { db } from "./db.ts"
import { deadLetters } from "./deadLetters.ts"
import { flavor } from "./flavor.ts"
import { host } from "./host.ts"
import { instance } from "./instance.ts"
import { limits } from "./limits.ts"
import { log } from "./log.ts"
import { operation } from "./operation.ts"
import { quota } from "./quota.ts"
import { api, conductor, guestagent, taskmanager } from "./roles.ts"
import { root } from "./root.ts"
import { up } from "./up.ts"
import { user } from "./user.ts"

export const coffer = Command.make("coffer").pipe(
  Command.withDescription("Databases as a service, with OpenStack Trove's API"),
  Command.withSubcommands([
    up,
    {
      group: "Databases, over the REST API",
      commands: [
        instance,
        connect,
        database,
        user,
        root,
        log,
        configuration,
        datastore,
        flavor,
        quota,
        limits,
        operation
      ]
    },
    { group: "A service of many processes", commands: [api, taskmanager, conductor, guestagent] },
    { group: "The machinery of one, on its own machines", commands: [host, cluster, audit, db, deadLetters, config] },
    { group: "This command", commands: [completion((): Command.Command.Any => coffer)] }
  ])
)
