/** What every run carries: an order of about 300 bytes as JSON. */
export function order(number: number): object {
  return {
    store: "acme-widgets",
    orderId: `order-${String(number).padStart(9, "0")}`,
    number,
    customer: "Jamal Braun",
    address: "1427 Schmittfort Avenue, South Gate, LA 90280",
    items: [
      { sku: "WGT-4411", name: "left-handed widget", quantity: 3, price: 1999 },
      { sku: "WGT-0312", name: "widget polish, 500 ml", quantity: 1, price: 649 },
    ],
    note: "Leave with the neighbour if nobody answers the door.",
  };
}
