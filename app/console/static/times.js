// Times in the viewer's zone, with UTC on hover. Without this file they stay in UTC.
const local = new Intl.DateTimeFormat("sv-SE", { // year, month, day: read the same everywhere
  year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", timeZoneName: "short",
});
for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = time.textContent;
  time.textContent = local.format(new Date(time.dateTime));
}
