"""Providers whose domains say nothing about where a person works."""

from __future__ import annotations

_LISTED = """
163.com 126.com abv.bg alice.it aol.com arcor.de att.net bellsouth.net bigpond.com bluewin.ch bol.com.br
btinternet.com centrum.cz charter.net comcast.net cox.net daum.net duck.com earthlink.net email.com
fastmail.com fastmail.fm free.fr freenet.de frontier.com gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net
googlemail.com hanmail.net hey.com hotmail.ca hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr
hotmail.it hushmail.com icloud.com inbox.lv inbox.ru interia.pl juno.com laposte.net libero.it list.ru live.ca
live.co.uk live.com live.de live.fr live.nl mac.com mail.com mail.ru mailbox.org me.com msn.com naver.com
ntlworld.com o2.pl onet.pl optonline.net optusnet.com.au orange.fr outlook.com outlook.de outlook.fr pm.me
proton.me protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com sapo.pt sbcglobal.net
seznam.cz sfr.fr shaw.ca sina.com sky.com skynet.be sympatico.ca t-online.de talktalk.net telenet.be
terra.com.br tiscali.it tutanota.com uol.com.br verizon.net virginmedia.com wanadoo.fr web.de windowslive.com
wp.pl yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es
yahoo.fr yahoo.it yandex.com yandex.ru ymail.com zoho.com
"""

FREE_MAIL = frozenset(_LISTED.split())
"""Domains of free mail, lower case."""
