import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import { fabricConformance } from "../conformance/fabric.ts"

fabricConformance("the fabric in process", InProcessFabric.layer)
