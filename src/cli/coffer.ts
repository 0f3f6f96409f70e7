/** The commands of coffer, and where each is. */
import { Command } from "effect/cli"
import { audit } from "./audit.ts"
import { cluster } from "./cluster.ts"
import { config } from "./config.ts"
import { db } from "./db.ts"
import { deadLetters } from "./deadLetters.ts"
import { host } from "./host.ts"
import { instance } from "./instance.ts"
import { operation } from "./operation.ts"
import { api, conductor, guestagent, taskmanager } from "./roles.ts"
import { up } from "./up.ts"

export const coffer = Command.make("coffer").pipe(
  Command.withDescription("Databases as a service, with OpenStack Trove's API"),
  Command.withSubcommands([
    up,
    instance,
    operation,
    api,
    taskmanager,
    conductor,
    guestagent,
    host,
    cluster,
    audit,
    db,
    deadLetters,
    config
  ])
)
