import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { upgradeOrdersConformance } from "../conformance/upgradeOrders.ts"
import { stores } from "../support/postgres.ts"

upgradeOrdersConformance("orders of another version in memory", MemoryStore.layer)
upgradeOrdersConformance("orders of another version in PostgreSQL", stores)
