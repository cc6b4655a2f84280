"use strict";

// A shop, as written in class for a hub of one's own. Knows socket.io-client and nothing of Waybill.
const { io } = require("socket.io-client");

const url = process.env.CAPS_URL || "http://localhost:3000";
const store = process.env.STORE || "acme-widgets";
const orders = Number(process.env.ORDERS || Infinity);
const everyMs = Number(process.env.EVERY_MS || 5000);

const customers = ["Jamal Braun", "Ada Lopez", "Mina Okafor", "Piet de Vries"];
const addresses = ["Schmittfort, LA", "Lake Ada, OR", "New Bergen, ME", "Oostzaan, MI"];
let sent = 0;
const thanked = new Set();

const socket = io(`${url}/caps`);

socket.on("connect", () => {
  socket.emit("join", store);
  socket.emit("getAll", { clientId: store, event: "delivered" });
});

socket.on("delivered", (payload) => {
  console.log(`VENDOR: Thank you for your order ${payload.order.customer} (${payload.orderId})`);
  socket.emit("received", payload);
  thanked.add(payload.orderId);
  if (thanked.size === orders) {
    clearInterval(timer);
    socket.disconnect();
  }
});

const timer = setInterval(() => {
  const order = {
    store,
    orderId: `${store}-${process.pid}-${sent + 1}`,
    customer: customers[sent % customers.length],
    address: addresses[sent % addresses.length],
  };
  sent += 1;
  console.log(`VENDOR: Order ${order.orderId} is ready for pickup`);
  socket.emit("pickup", order);
  if (sent === orders) clearInterval(timer);
}, everyMs);
