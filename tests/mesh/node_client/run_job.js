// Runs a job on an image and prints each step as a line of JSON, as it happens; the last line is the finished job.
//
//   LOUPE_KEY=lk_... node run_job.js http://127.0.0.1:8000 chart.png "Which month sold the most?"
//
// Over gRPC (HTTP/2) by default; LOUPE_PROTOCOL=grpc-web speaks gRPC-Web, which can't upload: give a file id for the image.

import { readFile } from "node:fs/promises";
import { basename } from "node:path";

import { toJson } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

import { FilesService } from "./gen/loupe/files/v1/files_service_pb.js";
import { JobSchema, JobState, StepSchema } from "./gen/loupe/orchestrator/v1/orchestrator_pb.js";
import { OrchestratorService } from "./gen/loupe/orchestrator/v1/orchestrator_service_pb.js";

const CHUNK_BYTES = 256 * 1024;
const ENDED = [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED];
// The JSON that the gateway gives.
const WIRE_JSON = { useProtoFieldName: true, alwaysEmitImplicit: true };

const [baseUrl, image, question] = process.argv.slice(2);
const withKey = (next) => (request) => {
  request.header.set("authorization", `Bearer ${process.env.LOUPE_KEY}`);
  return next(request);
};
const options = { baseUrl, interceptors: [withKey] };
const transport =
  process.env.LOUPE_PROTOCOL === "grpc-web"
    ? createGrpcWebTransport({ ...options, httpVersion: "1.1" })
    : createGrpcTransport(options);
const files = createClient(FilesService, transport);
const jobs = createClient(OrchestratorService, transport);

async function* pieces(path) {
  const content = await readFile(path);
  yield { fileName: basename(path), content: { data: content.subarray(0, CHUNK_BYTES) } };
  for (let start = CHUNK_BYTES; start < content.length; start += CHUNK_BYTES) {
    yield { content: { data: content.subarray(start, start + CHUNK_BYTES) } };
  }
}

async function fileIdOf(pathOrId) {
  if (pathOrId.startsWith("file_")) return pathOrId;
  const { file } = await files.uploadFile(pieces(pathOrId));
  return file.fileId;
}

const print = (schema, message) => console.log(JSON.stringify(toJson(schema, message, WIRE_JSON)));

const fileId = await fileIdOf(image);
const { job } = await jobs.createJob({ spec: { question, inputs: [{ fileId }] } });
let state;
for await (const { event } of jobs.watchJob({ jobId: job.jobId })) {
  if (event.case !== "step") continue; // a heartbeat
  print(StepSchema, event.value);
  state = event.value.jobState;
}
if (!ENDED.includes(state)) throw new Error("the stream ended before the job did");
print(JobSchema, (await jobs.getJob({ jobId: job.jobId })).job);
process.exitCode = state === JobState.SUCCEEDED ? 0 : 1;
