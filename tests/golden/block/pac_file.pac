// mdca_block: block list rendered by logweir; change its sources, not this file
function FindProxyForURL(url, host) {
  var exact = {
    "files.example.org": 1,
    "www.files.example.org": 1,
    "192.0.2.10": 1,
    "2001:db8::10": 1
  };
  var below = {
    "example-chat.net": 1
  };
  var tree = {
    "example-storage.com": 1,
    "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllll.oooooooooooooooooooooooooooooooooooooooo.example": 1,
    "xn--bcher-kva.example": 1
  };
  var h = host.toLowerCase();
  if (h.charAt(h.length - 1) === ".") h = h.substring(0, h.length - 1);
  if (exact.hasOwnProperty(h) || tree.hasOwnProperty(h)) return "PROXY 127.0.0.1:9";
  for (var i = h.indexOf("."); i >= 0; i = h.indexOf(".")) {
    h = h.substring(i + 1);
    if (below.hasOwnProperty(h) || tree.hasOwnProperty(h)) return "PROXY 127.0.0.1:9";
  }
  return "DIRECT";
}
