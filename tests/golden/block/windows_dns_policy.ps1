# mdca_block: block list rendered by logweir; change its sources, not this file
Add-DnsServerQueryResolutionPolicy -Name 'mdca_block_d807025d6ee3b27b' -Action DENY -FQDN 'EQ,example-storage.com' -ErrorAction Stop
Add-DnsServerQueryResolutionPolicy -Name 'mdca_block_979c06e5a313cf85' -Action DENY -FQDN 'EQ,*.example-storage.com' -ErrorAction Stop
Add-DnsServerQueryResolutionPolicy -Name 'mdca_block_d9c4e705fb7ea357' -Action DENY -FQDN 'EQ,llllllllllllllllllllllllllllllllllllllllllllllllllllllllllll.oooooooooooooooooooooooooooooooooooooooo.example' -ErrorAction Stop
Add-DnsServerQueryResolutionPolicy -Name 'mdca_block_c5627a51825481b8' -Action DENY -FQDN 'EQ,*.llllllllllllllllllllllllllllllllllllllllllllllllllllllllllll.oooooooooooooooooooooooooooooooooooooooo.example' -ErrorAction Stop
Add-DnsServerQueryResolutionPolicy -Name 'mdca_block_985044d4504d3e38' -Action DENY -FQDN 'EQ,xn--bcher-kva.example' -ErrorAction Stop
Add-DnsServerQueryResolutionPolicy -Name 'mdca_block_cf884cffdc09facf' -Action DENY -FQDN 'EQ,*.xn--bcher-kva.example' -ErrorAction Stop
Add-DnsServerQueryResolutionPolicy -Name 'mdca_block_3851890abd979361' -Action DENY -FQDN 'EQ,*.example-chat.net' -ErrorAction Stop
Add-DnsServerQueryResolutionPolicy -Name 'mdca_block_6b8ece3956322a63' -Action DENY -FQDN 'EQ,files.example.org' -ErrorAction Stop
Add-DnsServerQueryResolutionPolicy -Name 'mdca_block_3b86d260e74402fb' -Action DENY -FQDN 'EQ,www.files.example.org' -ErrorAction Stop
