/** The list of deliveries, and on a report's page the part that says where it went. */
import { watchList } from "../app/livelist.js";
import { watchReportDeliveries } from "./report.js";

if (document.getElementById("delivery-list")) {
  watchList({
    key: "delivery",
    list: "delivery-list",
    error: "delivery-error",
    rowPath: (delivery) => `/deliveries/${delivery}/row/`,
    filter: /(show|transport)=\w/,
  });
}
for (const part of document.querySelectorAll("[data-deliveries]")) watchReportDeliveries(part);
document.documentElement.dataset.page = "ready";
