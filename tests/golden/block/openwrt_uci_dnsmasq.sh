# mdca_block: block list rendered by logweir; change its sources, not this file
uci add_list dhcp.@dnsmasq[0].address='/example-storage.com/'
uci add_list dhcp.@dnsmasq[0].address='/llllllllllllllllllllllllllllllllllllllllllllllllllllllllllll.oooooooooooooooooooooooooooooooooooooooo.example/'
uci add_list dhcp.@dnsmasq[0].address='/xn--bcher-kva.example/'
uci add_list dhcp.@dnsmasq[0].address='/example-chat.net/'
uci add_list dhcp.@dnsmasq[0].address='/files.example.org/'
uci commit dhcp
service dnsmasq restart
