/** `coffer api`: the REST API. Any number of them, behind whatever spreads requests. */
import { createServer } from "node:http"
import { NodeHttpServer } from "@effect/platform-node"
import { Layer } from "effect"
import { HttpRouter } from "effect/http"
import { HttpRoutes, serveOptions } from "../../http/Server.ts"
import { TenantNetwork } from "../../services/TenantNetwork.ts"
import { type ConfigurationOf, healthAddress } from "../config/Configuration.ts"
import * as PolicyFile from "../config/policyFile.ts"
import * as Health from "../Health.ts"
import * as Callers from "./Callers.ts"
import * as Checks from "./Checks.ts"
import * as ControlPlane from "./ControlPlane.ts"

export const layer = (config: ConfigurationOf<"api">) => {
  const { allowed_hosts, host, network_id, policy_file, port, rate_limit, subnet_id } = config.api
  return HttpRouter.serve(HttpRoutes, serveOptions).pipe(
    Layer.provide(NodeHttpServer.layer(createServer, { host, port })),
    Layer.merge(Health.serve(healthAddress(config, "api"))),
    Layer.provide([Callers.layer(config), PolicyFile.layer(policy_file)]),
    Layer.provide(Layer.succeed(TenantNetwork, { id: network_id, subnet: subnet_id })),
    Layer.provide([Checks.ofStore, Checks.ofFabric]),
    Layer.provide(Health.layer("api")),
    Layer.provide(ControlPlane.catalog(config)),
    Layer.provide(ControlPlane.fabric(config, "api")),
    Layer.provide(ControlPlane.store(config, "api")),
    Layer.provide(
      ControlPlane.variables({ COFFER_RATE_LIMIT: String(rate_limit), COFFER_ALLOWED_HOSTS: allowed_hosts.join(",") })
    )
  )
}
