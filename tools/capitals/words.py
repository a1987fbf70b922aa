"""Common English words, for questions about other things and for a vocabulary that holds more than the chats' words."""

ENGLISH_WORDS = """
able about above accept across act action actually add address afraid after afternoon again against age ago agree air all
allow almost alone along already also although always amount angry animal another answer any anyone anything apple area arm
army around arrive art article ask attack attention audience aunt autumn away baby back bad bag ball bank base basic basket
bath battle beach bear beautiful because become bed before begin behind believe bell belong below best better between big
bird birthday bit black blood blow blue board boat body bone book born both bottle bottom bowl box boy brain branch brave
bread break breakfast breath bridge bright bring brother brown build building burn bus business busy but butter buy cake call
calm camera camp card care carry case castle cat catch cause center century certain chair chance change character cheap check
cheese chicken child children choice choose church circle city class clean clear clever climb clock close cloth clothes cloud
club coat code coffee cold collect color come common company compare complete computer condition consider contain continue
control cook cool copy corner correct cost could count country couple course cover cow create cross crowd cry cup cut dance
danger dark data date daughter day dead deal dear death decide deep degree describe desert design desk detail develop
different difficult dinner direction dirty discover discuss distance divide doctor dog door double doubt down draw dream
dress drink drive drop dry during dust duty each ear early earth east easy eat edge education effect egg eight either electric
else empty end enemy energy engine enjoy enough enter equal error escape even evening event ever every example except
exercise expect experience explain express eye face fact fail fall family famous far farm farmer fast fat father fear feel
fellow few field fight figure file fill film final find fine finger finish fire first fish fit five flag flat floor flower
fly follow food foot football force foreign forest forget forgive form forward four free fresh friend front fruit full fun
funny future game garden gas gate general gentle get gift girl give glad glass goal gold good government grand grass gray
great green ground group grow guess guest guide hair half hall hand handle happen happy hard hat hate have head health hear
heart heat heavy height hello help here hero hide high hill history hit hobby hold hole holiday home honest hope horse
hospital hot hotel hour house however huge human hundred hungry hunt hurry hurt husband ice idea imagine important improve
include increase industry inside instead interest invite iron island job join journey joy judge juice jump just keep key kick
kind king kitchen knee knife know lady lake lamp land language large last late laugh law lazy lead leader leaf learn least
leave left leg lemon lend length less lesson let letter level library lie life lift light like line lion list listen little
live local lock long look lose lot loud love low luck lunch machine magic main make man manage many map mark market marry
material matter may maybe meal mean measure meat medicine meet meeting member memory mention method middle might mile milk
mind minute mirror miss mistake mix model modern moment money monkey month moon more morning most mother mountain mouse mouth
move much museum music must name narrow nation nature near necessary neck need neighbor never new news newspaper next nice
night nine noise none nor north nose note nothing notice now number object ocean offer office often oil old once one onion
only open opinion orange order other outside over own page pain paint pair paper parent park part party pass past path pay
peace pen pencil people pepper perfect perhaps period person phone photo piano picture piece pig place plan plane planet
plant plate play please pocket poem point police poor popular position possible pot potato pound power practice prepare
present president press pretty price prince problem produce program promise protect proud prove pull purple purpose push put
quality quarter queen question quick quiet quite radio rain raise reach read ready real reason receive record red remember
repair repeat reply report rest result return rice rich ride right ring rise river road rock roof room root rope rose round
row rule run sad safe sail salt same sand save say scene school science sea search season seat second secret see seed seem
sell send sense sentence serious serve set seven several shade shadow shake shape share sharp sheep shelf shine ship shirt
shoe shoot shop short should shoulder shout show shut sick side sign silent silver simple since sing single sister sit six
size skill skin sky sleep slow small smart smell smile smoke snow soap social soft soil soldier some son song soon sorry
sound soup south space speak special speed spell spend spoon sport spread spring square stage stand star start state station
stay steal steam step still stone stop store storm story strange street strong student study subject success such sudden
sugar summer sun supper support sure surprise sweet swim system table take talk tall taste tax tea teach teacher team tear
tell ten test than thank their then there these thick thin thing think third this those though thought thousand three through
throw ticket tie time tired today together tomorrow tongue tonight tool tooth top total touch tower town toy trade train
travel tree trip trouble truck true trust try turn twelve twenty two type uncle under understand unit until use useful usual
valley value vegetable very victory view village visit voice wait walk wall want war warm wash waste watch water wave way weak
wear weather week weight welcome well west wet wheel when where which while white whole wide wife wild will wind window wine
winter wise wish without woman wonder wood word work world worry worse write wrong yard year yellow yes yesterday yet young
zero zoo
""".split()
