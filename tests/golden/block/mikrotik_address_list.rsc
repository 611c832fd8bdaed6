# mdca_block: block list rendered by logweir; change its sources, not this file
/ip firewall address-list remove [find comment=mdca_block]
/ipv6 firewall address-list remove [find comment=mdca_block]
/ip firewall address-list
add address=192.0.2.10 comment=mdca_block list=mdca_block
add address=198.51.100.0/24 comment=mdca_block list=mdca_block
/ipv6 firewall address-list
add address=2001:db8::10/128 comment=mdca_block list=mdca_block
add address=2001:db8:1::/48 comment=mdca_block list=mdca_block
