"use strict";

// A driver, as written in class for a hub of one's own. Knows socket.io-client and nothing of Waybill.
const { io } = require("socket.io-client");

const url = process.env.CAPS_URL || "http://localhost:3000";
const pickupMs = Number(process.env.PICKUP_MS || 1000);
const transitMs = Number(process.env.TRANSIT_MS || 2000);

const socket = io(`${url}/caps`);

socket.on("connect", () => {
  socket.emit("join", "driver");
});

socket.on("pickup", (payload) => {
  console.log(`DRIVER: on my way for ${payload.orderId}`);

  setTimeout(() => {
    console.log(`DRIVER: picked up ${payload.orderId}`);
    socket.emit("in-transit", payload);
  }, pickupMs);

  setTimeout(() => {
    console.log(`DRIVER: delivered ${payload.orderId}`);
    socket.emit("delivered", payload);
  }, pickupMs + transitMs);
});
