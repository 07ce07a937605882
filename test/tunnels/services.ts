/** Real services to reach through tunnels: HTTP/1.1, HTTP/2 and WebSockets by hypercorn, gRPC, and Redis. */
import { Image } from "@atoll/sdk";

export const image = Image.debianSlim().aptInstall("redis-server").pipInstall("hypercorn", "grpcio");
export const [httpPort, http2Port, grpcPort, redisPort] = [8000, 8443, 50_051, 6379] as const;

/** Answers with what it was asked; /events and /poll wait for what is posted to /publish. */
const asgi = `
import asyncio, json
waiting = []
def headers(scope): return [[name.decode(), value.decode()] for name, value in scope["headers"]]
async def body(receive):
    parts = b""
    while True:
        message = await receive()
        parts += message.get("body", b"")
        if not message.get("more_body"): return parts
async def websocket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(headers(scope))})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
async def http(scope, receive, send):
    asked = await body(receive)
    answer = lambda kind: send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    if scope["path"] in ("/events", "/poll"):
        waiting.append(queue := asyncio.Queue())
        await answer(b"text/event-stream")
        while True:
            event = await queue.get()
            isLast = scope["path"] == "/poll"
            await send({"type": "http.response.body", "body": b"data: " + event + b"\\n\\n", "more_body": not isLast})
            if isLast: return
    if scope["path"] == "/publish":
        for queue in waiting: queue.put_nowait(asked)
    told = {"target": scope["path"] + "?" + scope["query_string"].decode(), "version": scope["http_version"], "headers": headers(scope), "length": len(asked), "waiting": len(waiting)}
    await answer(b"application/json")
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})
async def app(scope, receive, send):
    if scope["type"] == "http": await http(scope, receive, send)
    elif scope["type"] == "websocket": await websocket(scope, receive, send)
`;

const grpc = `
import concurrent.futures, grpc
def unary(data, context):
    if data == b"fail": context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
    context.set_trailing_metadata([("length", str(len(data)))] + [x for x in context.invocation_metadata() if x[0] == "x-verified-user-data"])
    return data[::-1]
def both(parts, context):
    for part in parts: yield part.upper()
handlers = {"Unary": grpc.unary_unary_rpc_method_handler(unary), "Both": grpc.stream_stream_rpc_method_handler(both)}
server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
server.add_insecure_port("0.0.0.0:${grpcPort}")
server.start(); print("up", flush=True); server.wait_for_termination()
`;

const start = `
cd /srv; printf '%s' "$ASGI" > echo.py; printf '%s' "$GRPC" > grpc_echo.py
mkfifo up; python3 grpc_echo.py > up &
read -r _ < /srv/up
redis-server --port ${redisPort} --bind 0.0.0.0 --protected-mode no --save "" --daemonize yes
until redis-cli -p ${redisPort} ping; do sleep 0.1; done
exec python3 -m hypercorn --bind 0.0.0.0:${httpPort} --bind 0.0.0.0:${http2Port} echo:app
`;

/** What makes a sandbox of these services; HTTP answers once all others do. */
export const services = {
  argv: ["sh", "-c", start],
  options: {
    image,
    env: { ASGI: asgi, GRPC: grpc },
    encryptedPorts: [httpPort, redisPort],
    h2Ports: [http2Port, grpcPort],
  },
};
