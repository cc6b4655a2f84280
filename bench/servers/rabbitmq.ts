import fs from "node:fs";
import path from "node:path";
import { freePort, Missing, startProgram, versionOf, type Server } from "./server";

/** The server itself: the one on the path is Debian's wrapper, which changes the user. */
const SCRIPTS = ["/usr/lib/rabbitmq/bin", "/usr/local/lib/rabbitmq/sbin", "/opt/rabbitmq/sbin"];

/** RabbitMQ with its defaults, as a node of its own with a port mapper of its own, so that nothing of it stays behind. */
export async function start(folder: string): Promise<Server> {
  const scripts = SCRIPTS.find((each) => fs.existsSync(path.join(each, "rabbitmq-server")));
  if (scripts === undefined) throw new Missing("rabbitmq-server is not installed");
  const port = await freePort();
  const mapperPort = await freePort();
  const mapper = await startProgram(
    { command: "epmd", args: ["-port", String(mapperPort), "-address", "127.0.0.1"], folder },
    mapperPort,
  );
  try {
    const env = {
      HOME: folder,
      ERL_EPMD_PORT: String(mapperPort),
      RABBITMQ_NODENAME: `bench-${process.pid}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(await freePort()),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
      RABBITMQ_MNESIA_BASE: path.join(folder, "mnesia"),
      RABBITMQ_LOG_BASE: path.join(folder, "log"),
      RABBITMQ_LOGS: "-",
      RABBITMQ_ENABLED_PLUGINS_FILE: path.join(folder, "plugins"),
      RABBITMQ_CONFIG_FILE: path.join(folder, "rabbitmq"),
      RABBITMQ_CONF_ENV_FILE: path.join(folder, "rabbitmq-env.conf"),
      RABBITMQ_PID_FILE: path.join(folder, "pid"),
    };
    fs.writeFileSync(path.join(folder, "plugins"), "[].");
    const server = await startProgram({ command: path.join(scripts, "rabbitmq-server"), args: [], env, folder }, port);
    const stop = async (): Promise<void> => {
      await server.stop();
      await mapper.stop();
    };
    return { pid: server.pid, stop, url: `amqp://127.0.0.1:${port}`, version: version(scripts) };
  } catch (error) {
    await mapper.stop();
    throw error;
  }
}

/** From the folder of its own application: asking the program starts a whole node. */
function version(scripts: string): string {
  const plugins = path.join(fs.realpathSync(scripts), "../plugins");
  const rabbit = fs.existsSync(plugins) ? fs.readdirSync(plugins).find((name) => /^rabbit-\d/.test(name)) : undefined;
  return (
    /\d+\.\d+\.\d+/.exec(rabbit ?? "")?.[0] ?? versionOf("dpkg-query", ["-W", "-f", "${Version}", "rabbitmq-server"])
  );
}
